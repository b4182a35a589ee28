/* js/chart.js — one line over the last minute, drawn as it is: no easing. */

export class Chart {
    #canvas;
    #size;
    /** @type {(number | null)[]} */
    #values = [];

    /**
     * @param {HTMLCanvasElement} canvas its `color` draws the line
     * @param {number} size how many values it shows
     */
    constructor(canvas, size) {
        this.#canvas = canvas;
        this.#size = size;
    }

    /** @param {number | null} value null leaves a gap */
    push(value) {
        this.#values.push(value);
        if (this.#values.length > this.#size) this.#values.shift();
        this.#draw();
    }

    #draw() {
        const canvas = this.#canvas;
        const scale = window.devicePixelRatio || 1;
        const width = Math.round(canvas.clientWidth * scale);
        const height = Math.round(canvas.clientHeight * scale);
        if (canvas.width !== width) canvas.width = width;
        if (canvas.height !== height) canvas.height = height;
        const pen = canvas.getContext("2d");
        if (!pen || width === 0) return;
        pen.clearRect(0, 0, width, height);
        const known = this.#values.filter((value) => value !== null);
        const top = Math.max(1, ...known) * 1.1;
        pen.strokeStyle = getComputedStyle(canvas).color;
        pen.lineWidth = 1.5 * scale;
        pen.beginPath();
        let down = false;
        this.#values.forEach((value, i) => {
            if (value === null) {
                down = false;
                return;
            }
            const x = (i / (this.#size - 1)) * width;
            const y = height - (value / top) * height;
            if (down) pen.lineTo(x, y);
            else pen.moveTo(x, y);
            down = true;
        });
        pen.stroke();
    }
}

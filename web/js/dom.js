/* js/dom.js — the few DOM moves the pages share. */

/**
 * The element that the page must have.
 * @param {string} id
 * @returns {any}
 */
export function need(id) {
    const element = document.getElementById(id);
    if (!element) throw new Error(`the page lacks #${id}`);
    return element;
}

/**
 * Sets text only when it changes: screen readers speak each mutation of a
 * live region, and layout costs.
 * @param {Element} element
 * @param {string} text
 */
export function say(element, text) {
    if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} children
 * @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes))
        element.setAttribute(name, value);
    element.append(...children);
    return element;
}

/**
 * A span as people say it: "42 s", "7 min", "1 h 20 min".
 * @param {number} seconds
 */
export function span(seconds) {
    const s = Math.max(0, Math.round(seconds));
    if (s < 60) return `${s} s`;
    const minutes = Math.floor(s / 60);
    if (minutes < 60) return `${minutes} min`;
    return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

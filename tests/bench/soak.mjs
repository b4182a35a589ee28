// Half an hour of one lecture: a publisher, the ladder, 50 LL-HLS viewers.
// Memory must stay flat within 5 %, latency must not drift, no 5xx at all.
// usage: node tests/bench/soak.mjs     MINUTES=30 VIEWERS=50
import { spawn, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'

const MINUTES = Number(process.env.MINUTES ?? 30)
const VIEWERS = Number(process.env.VIEWERS ?? 50)
const WARM_UP_S = Math.min(180, MINUTES * 12)
const SAMPLE_MS = 5000
const build = process.env.LECTERN_BUILD ?? 'build'
const dir = mkdtempSync(join(tmpdir(), 'lectern-soak-'))
const children = []

async function freePort() {
  const s = createServer().listen(0, '127.0.0.1')
  await once(s, 'listening')
  const { port } = s.address()
  s.close()
  await once(s, 'close')
  return port
}

/** Proportional memory of a process and its children, MiB. */
function memoryMiB(pid) {
  let sum = 0
  for (const p of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const parent = readFileSync(`/proc/${p}/stat`, 'utf8').split(') ')[1].split(' ')[1]
      if (Number(p) !== pid && Number(parent) !== pid) continue
      sum += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${p}/smaps_rollup`, 'utf8'))[1])
    } catch { /* it ended meanwhile */ }
  }
  return sum / 1024
}

/** Seconds from the wall clock to the end of a media playlist. */
async function edgeLag(url) {
  const text = await (await fetch(url)).text()
  let at = NaN
  let end = NaN
  for (const line of text.split('\n')) {
    if (line.startsWith('#EXT-X-PROGRAM-DATE-TIME:')) at = end = Date.parse(line.slice(25)) / 1000
    const span = /^#(?:EXT-X-PART:.*DURATION=|EXTINF:)([\d.]+)/.exec(line)
    if (line.startsWith('#EXT-X-PART:')) end += Number(span[1])
    if (line.startsWith('#EXTINF:')) end = at += Number(span[1])
  }
  return Date.now() / 1000 - end
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]

async function until(what, test, seconds = 30) {
  for (let i = 0; i < seconds * 10; i++) {
    if (await test().catch(() => false)) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`waited ${seconds} s for ${what}`)
}

async function main() {
  const clip = join(dir, 'clip.mp4')
  execFileSync('ffmpeg', ['-nostdin', '-loglevel', 'error', '-f', 'lavfi', '-i',
    'testsrc2=size=1280x720:rate=30', '-f', 'lavfi', '-i', 'sine=sample_rate=48000', '-t', '60',
    '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', '60',
    '-b:v', '2500k', '-maxrate', '2500k', '-bufsize', '2500k', '-c:a', 'aac', clip])
  const http = await freePort()
  const rtmp = await freePort()
  const config = join(dir, 'lectern.yaml')
  writeFileSync(config, `data_dir: ${dir}/data\nlog: { level: warn }\n` +
    `http: { listen: 127.0.0.1:${http} }\nhttps: { listen: '' }\nrtmp: { listen: 127.0.0.1:${rtmp} }\n` +
    'channels:\n  - { name: soak, stream_key: soak-key, type: STANDARD }\n')
  const server = spawn(`${build}/lectern`, ['serve', '--config', config], { stdio: 'inherit' })
  children.push(server)
  const base = `http://127.0.0.1:${http}`
  await until('the server', async () => (await fetch(`${base}/readyz`)).ok)
  children.push(spawn('ffmpeg', ['-nostdin', '-loglevel', 'error', '-re', '-stream_loop', '-1',
    '-i', clip, '-c', 'copy', '-f', 'flv', `rtmp://127.0.0.1:${rtmp}/live/soak-key`], { stdio: 'inherit' }))
  const master = `${base}/live/soak/index.m3u8`
  await until('the stream', async () => (await fetch(master)).ok)
  const rendition = (await (await fetch(master)).text()).split('\n').find((l) => l.endsWith('.m3u8'))
  const load = spawn(`${build}/tests/bench/hlsload`, [http, 'soak', VIEWERS, MINUTES * 60].map(String),
    { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(load)
  let report = ''
  load.stdout.on('data', (text) => { report += text })
  const samples = []
  const start = Date.now()
  const ended = once(load, 'exit')
  while (load.exitCode === null) {
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, SAMPLE_MS))])
    if (server.exitCode !== null) throw new Error('the server ended')
    samples.push({ at: (Date.now() - start) / 1000, memory: memoryMiB(server.pid),
      lag: await edgeLag(new URL(rendition, master)) })
  }
  const warm = samples.filter((s) => s.at > WARM_UP_S)
  const third = Math.ceil(warm.length / 3)
  const early = warm.slice(0, third)
  const late = warm.slice(-third)
  const figure = (list, key) => median(list.map((s) => s[key]))
  const growth = figure(late, 'memory') / figure(early, 'memory') - 1
  const drift = figure(late, 'lag') - figure(early, 'lag')
  const viewers = JSON.parse(report)
  const metrics = await (await fetch(`${base}/metrics`)).text()
  console.log(`minutes ${MINUTES}, viewers ${VIEWERS}`)
  console.log(`memory   ${figure(early, 'memory').toFixed(1)} → ${figure(late, 'memory').toFixed(1)} MiB: ${(100 * growth).toFixed(1)} % (goal within 5 %)`)
  console.log(`edge lag ${figure(early, 'lag').toFixed(3)} → ${figure(late, 'lag').toFixed(3)} s: drift ${(1000 * drift).toFixed(0)} ms`)
  console.log(`viewers  ${report.trim()}`)
  console.log(metrics.split('\n').filter((l) => /^lectern_transcode_(restarts|shed)/.test(l)).join('\n'))
  if (Math.abs(growth) > 0.05 || Math.abs(drift) > 0.1 || viewers.server_errors > 0) process.exitCode = 1
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
}).finally(() => {
  for (const child of children) child.kill('SIGTERM')
  rmSync(dir, { recursive: true, force: true })
})

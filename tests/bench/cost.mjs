// What one server costs: memory at rest and per live channel, CPU of a
// passthrough ingest with LL-HLS, CPU that each LL-HLS viewer adds.
// usage: node tests/bench/cost.mjs      (after `make all bench-programs`)
import { spawn, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'

const VIEWERS = Number(process.env.VIEWERS ?? 100)
const SPAN_S = Number(process.env.SPAN ?? 15)
const build = process.env.LECTERN_BUILD ?? 'build'
const dir = mkdtempSync(join(tmpdir(), 'lectern-cost-'))
const children = []

async function freePort() {
  const s = createServer().listen(0, '127.0.0.1')
  await once(s, 'listening')
  const { port } = s.address()
  s.close()
  await once(s, 'close')
  return port
}

/** CPU seconds of a process so far. */
function cpu(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

function memoryMiB(pid) {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  return Number(/^Pss:\s+(\d+)/m.exec(rollup)[1]) / 1024
}

async function until(what, test, seconds = 20) {
  for (let i = 0; i < seconds * 10; i++) {
    if (await test().catch(() => false)) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`waited ${seconds} s for ${what}`)
}

async function share(pid, span = SPAN_S) {
  const from = cpu(pid)
  const start = process.hrtime.bigint()
  await new Promise((resolve) => setTimeout(resolve, span * 1000))
  return (cpu(pid) - from) / (Number(process.hrtime.bigint() - start) / 1e9)
}

/** The bucket in which quantile q of "captured to listed" lies, ms. */
function listed(metrics, q) {
  const buckets = [...metrics.matchAll(/^lectern_part_listed_seconds_bucket\{.*?le="([^"]+)"\} (\d+)/gm)]
    .map(([, bound, count]) => [Number(bound) * 1000, Number(count)])
  const all = buckets.at(-1)[1]
  return buckets.find(([, count]) => count >= q * all)[0]
}

function publish(clip, url) {
  const child = spawn('ffmpeg', ['-nostdin', '-loglevel', 'error', '-re', '-stream_loop', '-1',
    '-i', clip, '-c', 'copy', '-f', 'flv', url], { stdio: 'inherit' })
  children.push(child)
  return child
}

async function main() {
  const clip = join(dir, 'clip.mp4')
  execFileSync('ffmpeg', ['-nostdin', '-loglevel', 'error', '-f', 'lavfi', '-i',
    'testsrc2=size=1280x720:rate=30', '-f', 'lavfi', '-i', 'sine=sample_rate=48000', '-t', '20',
    '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', '60',
    '-b:v', '2500k', '-maxrate', '2500k', '-bufsize', '2500k', '-c:a', 'aac', clip])
  const http = await freePort()
  const rtmp = await freePort()
  const config = join(dir, 'lectern.yaml')
  const names = ['a', 'b', 'c', 'd', 'e']
  writeFileSync(config, `data_dir: ${dir}/data\nlog: { level: warn }\n` +
    `http: { listen: 127.0.0.1:${http} }\nhttps: { listen: '' }\nrtmp: { listen: 127.0.0.1:${rtmp} }\n` +
    'channels:\n' + names.map((n) => `  - { name: ${n}, stream_key: key-${n}, type: BASIC }\n`).join(''))
  const server = spawn(`${build}/lectern`, ['serve', '--config', config], { stdio: 'inherit' })
  children.push(server)
  const base = `http://127.0.0.1:${http}`
  await until('the server', async () => (await fetch(`${base}/readyz`)).ok)
  const rest = memoryMiB(server.pid)

  publish(clip, `rtmp://127.0.0.1:${rtmp}/live/key-a`)
  await until('channel a', async () => (await fetch(`${base}/live/a/index.m3u8`)).ok)
  await share(server.pid, 3)
  const ingest = await share(server.pid)
  const one = memoryMiB(server.pid)
  const metrics = await (await fetch(`${base}/metrics`)).text()

  const load = spawn(`${build}/tests/bench/hlsload`, [http, 'a', VIEWERS, SPAN_S + 6].map(String),
    { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(load)
  let report = ''
  load.stdout.on('data', (text) => { report += text })
  await share(server.pid, 3)
  const loaded = await share(server.pid)
  await once(load, 'exit')

  for (const n of names.slice(1)) publish(clip, `rtmp://127.0.0.1:${rtmp}/live/key-${n}`)
  await until('channel e', async () => (await fetch(`${base}/live/e/index.m3u8`)).ok)
  await share(server.pid, 15)
  const five = memoryMiB(server.pid)

  const percent = (x) => `${(100 * x).toFixed(2)} %`
  console.log(`memory at rest                     ${rest.toFixed(1)} MiB`)
  console.log(`memory per live channel (720p)     ${((five - one) / 4).toFixed(1)} MiB`)
  console.log(`CPU, one passthrough with LL-HLS   ${percent(ingest)} of a core (goal 1 %)`)
  console.log(`CPU per LL-HLS viewer, 0.2 s parts ${percent((loaded - ingest) / VIEWERS)} of a core (goal 0.2 %)`)
  console.log(`last frame of a part in → listed   p50 ≤ ${listed(metrics, 0.5)} ms (goal 100 ms)`)
  console.log(`viewers' report                    ${report.trim()}`)
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
}).finally(() => {
  for (const child of children) child.kill('SIGTERM')
  rmSync(dir, { recursive: true, force: true })
})

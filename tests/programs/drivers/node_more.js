// node: every way of fs, watches, child processes with channels, workers, sockets, promises.
const fs = require('fs')
const fsp = fs.promises
const net = require('net')
const os = require('os')
const path = require('path')
const { pipeline } = require('stream/promises')
const { exec, fork, spawn } = require('child_process')
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads')
const zlib = require('zlib')
const { once } = require('events')

if (!isMainThread) {
  for (let i = 0; i < 50; i++) {
    fs.writeFileSync(`threads/${workerData}-${i}`, String(i))
    fs.renameSync(`threads/${workerData}-${i}`, `threads/${workerData}-${i}.done`)
  }
  parentPort.postMessage(fs.readdirSync('threads').filter((name) => name.startsWith(`${workerData}-`)).length)
} else if (process.argv[2] === 'forked') {
  process.on('message', (message) => {
    fs.writeFileSync('from-forked', message)
    process.send({ echoed: message.toUpperCase() })
    process.disconnect()
  })
} else {
  main().catch((error) => {
    console.error(error)
    process.exit(1)
  })
}

async function files() {
  await fsp.mkdir('p/q/r', { recursive: true })
  const temporary = await fsp.mkdtemp(path.join(os.tmpdir(), 'made-'))
  await fsp.rmdir(temporary)
  await fsp.writeFile('p/one', 'one', { mode: 0o640 })
  await fsp.appendFile('p/one', ' more')
  await fsp.copyFile('p/one', 'p/two', fs.constants.COPYFILE_EXCL)
  await fsp.copyFile('p/one', 'p/two', fs.constants.COPYFILE_EXCL).catch((error) => console.log('copy', error.code))
  await fsp.symlink('../one', 'p/q/link')
  await fsp.symlink('/etc/passwd', 'p/q/out')
  await fsp.link('p/one', 'p/hard')
  await fsp.lutimes('p/q/link', 10, 20)
  await fsp.truncate('p/two', 2)
  await fsp.chmod('p/two', 0o604)
  await fsp.rename('p/two', 'p/q/r/two')
  console.log('realpath', path.relative('.', await fsp.realpath('p/q/link')), await fsp.readlink('p/q/out'))
  const handle = await fsp.open('p/handle', 'a+')
  await handle.appendFile('x'.repeat(5000))
  await handle.chmod(0o600)
  await handle.utimes(100, 200)
  await handle.sync()
  console.log('handle', (await handle.stat()).size, (await handle.read({ length: 3, position: 0 })).bytesRead)
  await handle.close()
  const directory = await fsp.opendir('p')
  const names = []
  for await (const entry of directory) names.push(`${entry.name}${entry.isDirectory() ? '/' : ''}`)
  console.log('opendir', names.sort())
  console.log('recursive', fs.readdirSync('p', { recursive: true }).sort())
  await fsp.cp('p', 'copied', { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
  await fsp.rm('copied/q', { recursive: true, force: true })
  for (const attempt of [() => fsp.rmdir('p'), () => fsp.mkdir('p'), () => fsp.readFile('p'), () => fsp.unlink('none'),
    () => fsp.open('p/one/below'), () => fsp.readlink('p/one'), () => fsp.access('none'), () => fsp.rename('none', 'x')]) {
    await attempt().then(() => console.log('no error'), (error) => console.log(error.code, error.syscall))
  }
}

async function streams() {
  await pipeline(fs.createReadStream(process.execPath, { end: 999_999 }), zlib.createGzip(), fs.createWriteStream('packed.gz'))
  await pipeline(fs.createReadStream('packed.gz'), zlib.createGunzip(), fs.createWriteStream('unpacked'))
  console.log('streamed', fs.statSync('unpacked').size)
  fs.rmSync('packed.gz')
  const appended = fs.createWriteStream('unpacked', { flags: 'r+', start: 10 })
  appended.end('in the middle')
  await once(appended, 'finish')
}

async function watches() {
  fs.mkdirSync('watched')
  const seen = new Set()
  const watcher = fs.watch('watched', (event, name) => seen.add(`${event} ${name}`))
  await fsp.writeFile('watched/a', '1')
  await fsp.rename('watched/a', 'watched/b')
  await fsp.appendFile('watched/b', '2')
  await fsp.unlink('watched/b')
  const expected = ['rename a', 'rename b', 'change b']
  for (let i = 0; i < 600 && !expected.every((event) => seen.has(event)); i++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  watcher.close()
  console.log('watch', [...seen].sort())
}

async function processes() {
  const child = fork(__filename, ['forked'])
  child.send('a message')
  console.log('forked', (await once(child, 'message'))[0].echoed, (await once(child, 'exit'))[0])
  const spawned = spawn('sh', ['-c', 'cat >spawned; exit 3'], { stdio: ['pipe', 'inherit', 'inherit'] })
  spawned.stdin.end('into a pipe')
  console.log('spawned', (await once(spawned, 'close'))[0])
  const killed = spawn('sleep', ['1000'])
  killed.kill('SIGTERM')
  console.log('killed', (await once(killed, 'exit'))[1])
  const stdout = await new Promise((resolve) => exec('echo out; echo err >&2; exit 4', (error, out, err) =>
    resolve([error.code, out, err])))
  console.log('exec', stdout)
  const out = fs.openSync('to-file', 'w')
  await once(spawn('echo', ['redirected'], { stdio: ['ignore', out, out] }), 'exit')
  fs.closeSync(out)
}

async function workers() {
  fs.mkdirSync('threads')
  const counts = await Promise.all([0, 1, 2, 3].map(async (n) =>
    (await once(new Worker(__filename, { workerData: n }), 'message'))[0]))
  console.log('workers', counts)
}

async function sockets() {
  const server = net.createServer((socket) => socket.end('from the server'))
  server.listen('unix.sock')
  await once(server, 'listening')
  const socket = net.connect(path.resolve('unix.sock'))
  let text = ''
  for await (const chunk of socket) text += chunk
  server.close()
  console.log('unix socket', text, fs.existsSync('unix.sock'))
}

async function main() {
  await files()
  await streams()
  await watches()
  await processes()
  await workers()
  await sockets()
}

// node: callbacks, promises and synchronous files, streams, child processes, workers.
const fs = require('fs')
const path = require('path')
const { execFileSync } = require('child_process')
const { Worker } = require('worker_threads')

const work = process.cwd()
process.env.TMPDIR = path.join(work, 'tmp')
fs.mkdirSync('tmp')

async function main() {
  fs.mkdirSync('a/b/c', { recursive: true })
  await Promise.all(Array.from({ length: 60 }, (_, i) => fs.promises.writeFile(`a/${i}.txt`, 'x'.repeat(i))))
  fs.renameSync('a/1.txt', 'a/b/one.txt')
  fs.copyFileSync('a/2.txt', 'a/b/two.txt')
  fs.symlinkSync('b/one.txt', 'a/link')
  fs.linkSync('a/3.txt', 'a/hard')
  fs.appendFileSync('a/4.txt', 'appended')
  fs.truncateSync('a/5.txt', 2)
  fs.chmodSync('a/6.txt', 0o640)
  fs.utimesSync('a/7.txt', 1000, 2000)
  fs.rmSync('a/b/c', { recursive: true })
  try {
    fs.writeFileSync('a/8.txt', '', { flag: 'wx' })
  } catch (error) {
    console.log('exclusive', error.code)
  }
  const temporary = fs.mkdtempSync(path.join(process.env.TMPDIR, 'd-'))
  fs.writeFileSync(path.join(temporary, 'f'), 'f')
  fs.rmSync(temporary, { recursive: true })
  await new Promise((resolve, reject) => {
    const out = fs.createWriteStream('stream.txt')
    fs.createReadStream('a/59.txt').pipe(out).on('finish', resolve).on('error', reject)
  })
  const handle = await fs.promises.open('handle.bin', 'w+')
  await handle.write(Buffer.from([1, 2, 3]), 0, 3, 5)
  await handle.close()
  console.log('size', fs.statSync('handle.bin').size, fs.readlinkSync('a/link'))
  console.log(execFileSync('sh', ['-c', 'echo child > child.txt; cat child.txt'], { encoding: 'utf8' }).trim())
  await new Promise((resolve, reject) => {
    const worker = new Worker(`require('fs').writeFileSync('worker.txt', 'from a worker')`, { eval: true })
    worker.on('exit', resolve).on('error', reject)
  })
  fs.cpSync('a', 'copied', { recursive: true })
  console.log(JSON.stringify(fs.readdirSync('a').sort()))
  console.log(fs.existsSync('a/none'), fs.realpathSync('a/link').replace(work, ''))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})

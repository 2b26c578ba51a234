// One Monty session: a Python program, interpreted by Monty, that keeps writing results.json on its mount.
//
//   node session.mjs MODULES DIRECTORY
//
// MODULES is the node_modules directory that holds @pydantic/monty. The session runs until DIRECTORY/stop appears
// and leaves its counts in DIRECTORY/counts/. With --features instead of a loop it uses each file feature once and prints
// what it saw.
import { createRequire } from 'node:module'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [modules, directory, mode] = process.argv.slice(2)
const entry = createRequire(path.join(modules, 'x.js')).resolve('@pydantic/monty')
const { Monty, MountDir } = await import(pathToFileURL(entry))
const mount = new MountDir('/mnt/data', directory, { mode: 'read-write' })

const LOOP = `
from pathlib import Path
results = Path('/mnt/data/results.json')
ok = 0
denied = 0
for i in range(5):
    try:
        results.write_text('{"state": "done"}')
        ok += 1
    except OSError:
        denied += 1
(ok, denied)
`

const FEATURES = `
from pathlib import Path
base = Path('/mnt/data/features')
base.mkdir()
(base / 'a.txt').write_text('one')
(base / 'a.txt').rename('/mnt/data/features/b.txt')
text = (base / 'b.txt').read_text()
(base / 'c.bin').write_bytes(b'two')
names = sorted([str(entry) for entry in base.iterdir()])
size = (base / 'b.txt').stat().st_size
(base / 'b.txt').unlink()
(base / 'c.bin').unlink()
gone = (base / 'b.txt').exists()
base.rmdir()
(text, names, size, gone, base.exists())
`

if (mode === '--features') {
  console.log(JSON.stringify(new Monty(FEATURES).run({ mount })))
} else {
  const counts = { attempts: 0, ok: 0, denied: 0 }
  const program = new Monty(LOOP)
  while (!fs.existsSync(path.join(directory, 'stop'))) {
    let ok = 0
    let denied = 5
    try {
      ;[ok, denied] = program.run({ mount })
    } catch {
      // An error that is no OSError: all five count as denied.
    }
    counts.attempts += ok + denied
    counts.ok += ok
    counts.denied += denied
    // It has other things to do; 150 of them share the machine.
    await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 200))
  }
  const file = path.join(directory, 'counts', randomBytes(6).toString('hex'))
  fs.writeFileSync(file + '.tmp', JSON.stringify(counts))
  fs.renameSync(file + '.tmp', file + '.json')
}

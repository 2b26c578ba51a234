"""Real programs at work below one directory. What they need is made beforehand, outside the time."""
import pathlib
import shutil
import subprocess

IMPORTS = "import argparse, asyncio, concurrent.futures, ctypes, decimal, email, http.client, json, logging, " \
          "multiprocessing, pathlib, sqlite3, ssl, tarfile, unittest, urllib.request, xml.dom.minidom, zipfile"

SQLITE = """
import sqlite3
db = sqlite3.connect('inserts.db')
db.execute('create table t(a integer primary key, b text)')
for i in range(300):
    db.execute('insert into t(b) values (?)', ('x' * 100,))
    db.commit()
"""

NODE = """
const fs = require('fs');
for (let i = 0; i < 1500; i++) { fs.writeFileSync('results.json', JSON.stringify({i})); fs.readFileSync('results.json'); }
"""


# Monty, the interpreter of the report, as its host runs it: 300 times five results written to a mount.
MONTY = """
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
const [modules] = process.argv.slice(-1);
const entry = createRequire(path.join(modules, 'x.js')).resolve('@pydantic/monty');
const { Monty, MountDir } = await import(pathToFileURL(entry));
const mount = new MountDir('/mnt/data', process.cwd(), { mode: 'read-write' });
const program = new Monty(`
from pathlib import Path
results = Path('/mnt/data/results.json')
for i in range(5):
    results.write_text('{"state": "done"}')
results.read_text()
`);
for (let i = 0; i < 300; i++) program.run({ mount });
"""


def monty(build):
    return ["node", "--input-type=module", "-e", MONTY, "--", str(build / "npm-victims/monty/node_modules")]


class Workload:
    def __init__(self, name, needs, script, prepare=None, fixtures=None, finish=None):
        # `script`: for /bin/sh, or words, or what makes words of the build tree
        self.name, self.needs, self.script = name, needs, script
        self.prepare_, self.fixtures, self.finish_ = prepare, fixtures, finish

    def ready(self, scratch, build):
        if any(shutil.which(program) is None and not (build / program).exists() for program in self.needs):
            return False
        if self.fixtures:
            self.fixtures(scratch / "fixtures")
        return True

    def prepare(self, directory, scratch):
        if self.prepare_:
            self.prepare_(directory, scratch / "fixtures")

    def finish(self, directory, scratch):
        if self.finish_:
            self.finish_(directory, scratch / "fixtures")

    def argv(self, build):
        if callable(self.script):
            return self.script(build)
        return self.script if isinstance(self.script, list) else ["/bin/sh", "-ec", self.script]


def quiet(*argv, **options):
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


def source_tree(fixtures):
    """A C project of 60 files, as a git repository."""
    tree = fixtures / "project"
    if tree.exists():
        return
    (tree / "src").mkdir(parents=True)
    for i in range(60):
        (tree / f"src/f{i}.c").write_text(f"#include <stdio.h>\n#include <stdlib.h>\nint f{i}(int a) "
                                          f"{{ for (int i = 0; i < a; ++i) a += i * {i}; return a; }}\n")
    rules = ["rule cc", "  command = gcc -O1 -c $in -o $out", "rule ld", "  command = gcc $in -o $out"]
    rules += [f"build f{i}.o: cc src/f{i}.c" for i in range(60)]
    (tree / "src/main.c").write_text("int main(void) { return 0; }\n")
    rules += ["build main.o: cc src/main.c",
              "build program: ld main.o " + " ".join(f"f{i}.o" for i in range(60))]
    (tree / "build.ninja").write_text("\n".join(rules) + "\n")
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.invalid"]
    quiet("git", "init", "-q", cwd=tree)
    quiet("git", "add", ".", cwd=tree)
    quiet("git", *identity, "commit", "-q", "-m", "all", cwd=tree)


def copy_tree(directory, fixtures):
    shutil.copytree(fixtures / "project", directory / "project")


def wheel(fixtures):
    if (fixtures / "wheel").exists():
        return
    package = fixtures / "package"
    (package / "bench_package").mkdir(parents=True)
    for i in range(200):
        (package / f"bench_package/m{i}.py").write_text(f"VALUE = {i}\n")
    (package / "bench_package/__init__.py").write_text("")
    (package / "setup.py").write_text("from setuptools import setup\n"
                                      "setup(name='bench-package', version='1', packages=['bench_package'])\n")
    quiet("/usr/bin/python3", "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(fixtures / "wheel"), ".",
          cwd=package)


def copy_wheel(directory, fixtures):
    shutil.copytree(fixtures / "wheel", directory / "wheel")


def npm_packages(fixtures):
    if (fixtures / "npm").exists():
        return
    packages = fixtures / "npm"
    packages.mkdir(parents=True)
    dependencies = []
    for i in range(20):
        source = fixtures / f"npm-source-{i}"
        source.mkdir()
        for j in range(20):
            (source / f"file{j}.js").write_text(f"module.exports = {j};\n")
        (source / "package.json").write_text(f'{{"name": "bench-{i}", "version": "1.0.0", "main": "file0.js"}}')
        quiet("npm", "pack", "--pack-destination", str(packages), cwd=source)
        dependencies.append(f'"bench-{i}": "file:bench-{i}-1.0.0.tgz"')
    (packages / "package.json").write_text('{"name": "root", "version": "1.0.0", "dependencies": {'
                                           + ", ".join(dependencies) + "}}")
    quiet("npm", "install", "--package-lock-only", "--offline", "--no-audit", "--cache", str(fixtures / "npm-cache"),
          cwd=packages)


def copy_npm(directory, fixtures):
    shutil.copytree(fixtures / "npm", directory / "npm")


def many_files(fixtures):
    for i in range(0 if (fixtures / "tree").exists() else 100):
        (fixtures / f"tree/d{i}").mkdir(parents=True)
        for j in range(100):
            (fixtures / f"tree/d{i}/f{j}").write_bytes(b"x" * 100)


# Moved, not copied: making 10,000 files takes longer than what is measured.
def lend_tree(directory, fixtures):
    (fixtures / "tree").rename(directory / "tree")


def give_tree_back(directory, fixtures):
    (directory / "tree").rename(fixtures / "tree")


WORKLOADS = [
    Workload("git clone, commit", ["git"],
             "export HOME=$PWD GIT_CONFIG_NOSYSTEM=1; git clone -q project copy; cd copy; echo x > new; git add new; "
             "git -c user.name=b -c user.email=b@example.invalid commit -q -m new",
             copy_tree, source_tree),
    Workload("python imports", ["python3"], ["/usr/bin/python3", "-c", IMPORTS]),
    Workload("pip install of a wheel", ["python3"],
             "export HOME=$PWD; /usr/bin/python3 -m pip install -q --no-deps --no-index --root-user-action=ignore "
             "--target out wheel/*.whl", copy_wheel, wheel),
    Workload("sqlite, 300 commits", ["python3"], ["/usr/bin/python3", "-c", SQLITE]),
    Workload("gcc, ninja, 61 files", ["gcc", "ninja"], "export TMPDIR=$PWD; cd project; ninja -j2 >/dev/null",
             copy_tree, source_tree),
    Workload("tar of 10,000 files", ["tar"], "tar cf a.tar tree; mkdir out; tar xf a.tar -C out", lend_tree, many_files,
             give_tree_back),
    Workload("npm ci, 20 tarballs", ["npm"],
             "export HOME=$PWD npm_config_cache=$PWD/cache; cd npm; npm ci --offline --no-audit --no-fund >/dev/null",
             copy_npm, npm_packages),
    Workload("node, 1,500 results", ["node"], ["node", "-e", NODE]),
    Workload("Monty, 1,500 results", ["node", "npm-victims/monty/node_modules/@pydantic/monty"], monty),
]

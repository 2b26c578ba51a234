// Programs in sessions that hide names: what they print is what they print in a tree that has no
// such names, in every view and mode, as root and as an ordinary user.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/cli_runner.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;

class HideTest : public SpawningCliTest {
 protected:
  void SetUp() override {
    SpawningCliTest::SetUp();
    for (const char* tree : {"with", "without"}) {
      const bool with = std::string(tree) == "with";
      fs::create_directories(Tree(tree) + "/src/deep");
      Write(tree, "README");
      Write(tree, "src/main.py");
      Write(tree, "src/deep/more.py");
      if (!with) continue;
      fs::create_directories(Tree(tree) + "/secrets/inner");
      for (const char* name :
           {".env", "src/.env", "src/deep/.env", "secrets/key", "secrets/inner/x"}) {
        Write(tree, name);
      }
    }
    ASSERT_EQ(system(("chown -R " + std::to_string(user_.value_or(geteuid())) + " " + scratch_ +
                      "/with " + scratch_ + "/without")
                         .c_str()),
              0);
  }

  std::string Tree(const std::string& name) const { return scratch_ + "/" + name; }
  void Write(const std::string& tree, const std::string& name) const {
    std::ofstream(Tree(tree) + "/" + name) << name << "\n";
  }

  // `script` by bash in `tree`, seen at the same path whichever tree it is; what it prints.
  std::string Say(const std::string& tree, const std::string& mode, const std::string& script,
                  const std::vector<std::string>& flags) {
    std::vector<std::string> args = {"run", "--mount", Tree(tree) + ":/mnt/data:" + mode};
    std::string directory = "/mnt/data";
    if (mode.starts_with("host-")) {
      args.back() = Tree(tree) + ":" + mode.substr(5);
      directory = Tree(tree);
    }
    args.insert(args.end(), {"--workdir", directory});
    args.insert(args.end(), flags.begin(), flags.end());
    args.insert(args.end(), {"--", "bash", "-c", script + "\necho \"exit $?\""});
    const CliResult result = Cli(args);
    return result.out + result.err;
  }

  void ExpectAsWithoutThem(const std::string& script) {
    for (const char* mode : {"host-rw", "host-ro", "rw", "ro", "overlay"}) {
      SCOPED_TRACE(mode + (": " + script));
      const std::string open = Say("with", mode, script, {});
      const std::string without = Say("without", mode, script, {});
      const std::string hidden = Say("with", mode, script, {"--hide", ".env", "--hide", "secrets"});
      EXPECT_NE(open, without) << "the control does not notice them";
      EXPECT_EQ(hidden, without);
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Users, HideTest, ::testing::Bool(), NameOfUser);

TEST_P(HideTest, ShellsAndFindDoNotSeeThem) {
  ExpectAsWithoutThem(
      "find . -printf '%P %y\\n' | sort; ls -aR; ls -A | wc -l; echo .[a-z]* *; "
      "compgen -f | sort; compgen -G 's*'; test -e .env; echo $?; [[ -d secrets ]]; echo $?; "
      "du -a --apparent-size . | wc -l; cat .env src/.env secrets/key; cp -r . /tmp/copy && "
      "find /tmp/copy | wc -l; tar cf - . | tar tf - | sort; stat -c %n .env; realpath -e secrets");
}

TEST_P(HideTest, PythonDoesNotSeeThem) {
  ExpectAsWithoutThem(R"(python3 - <<'END'
import glob, os, pathlib
for directory, names, files in sorted(os.walk(".")):
    print(directory, sorted(names), sorted(files))
print(sorted(glob.glob("**", recursive=True, include_hidden=True)))
print(sorted(str(path) for path in pathlib.Path(".").rglob("*")))
print([os.path.exists(name) for name in (".env", "secrets", "secrets/key", "README")])
with os.scandir("src") as entries:
    print(sorted((entry.name, entry.is_dir(), entry.stat().st_size > 0) for entry in entries))
try:
    open("secrets/key")
except OSError as error:
    print(error)
END)");
}

TEST_P(HideTest, GitDoesNotSeeThem) {
  if (system("git --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "needs git";
  for (const char* tree : {"with", "without"}) {
    const std::string git = "git -c safe.directory='*' -C " + Tree(tree) + " ";
    ASSERT_EQ(system((git + "init -q && " + git + "add README src/main.py && chown -R " +
                      std::to_string(user_.value_or(geteuid())) + " " + Tree(tree))
                         .c_str()),
              0);
  }
  ExpectAsWithoutThem(
      "git --no-optional-locks -c safe.directory='*' status --porcelain -uall; "
      "git -c safe.directory='*' ls-files --others");
}

// Looking at what is not hidden: links, /proc/self, devices, system trees, long and wrong paths. In
// a session that hides something the broker tells it, else the kernel. Two things differ: the
// broker may not write to somebody else's /proc/PID/fd, and /dev/shm is told as the session's own.
constexpr char kLook[] = R"(
import errno, os
def told(call):
    try:
        return call()
    except OSError as error:
        return errno.errorcode[error.errno]
def link(text):
    return text.replace(str(os.getpid()), "PID")
def shape(s):
    return (oct(s.st_mode), s.st_uid, s.st_gid, 0 if s.st_mode & 0o40000 else s.st_size)
paths = ["", ".", "..", "src", "src/..", "src/../README", "README", "README/", "README/x", "missing", "missing/x", "link",
    "link/", "broken", "loop", "up", "out", "away", "src/deep/more.py", "./src//deep/./more.py", "/", "/..", "/proc",
    "/proc/self", "/proc/self/", "/proc/thread-self", "/proc/self/exe", "/proc/self/cwd", "/proc/self/cwd/README",
    "/proc/self/root", "/proc/self/fd/0", "/proc/self/fd/99", "/proc/self/status", "/proc/self/task",
    "/proc/1/exe", "/proc/missing", "/dev/fd/0", "/dev/fd/99", "/dev/stdin", "/dev/null", "/dev/tty", "/dev/pts",
    "/dev/shm/missing", "/usr/bin/python3", "/bin/sh", "/etc/passwd", "/etc/shadow", "/etc/mtab", "/root", "/root/missing",
    "/usr/lib/..", "/usr/../etc/hosts", "/tmp/missing", "/nonexistent/x", "x" * 300, "a/" * 2100]
for p in paths:
    print(p[:40], told(lambda: shape(os.stat(p))), told(lambda: shape(os.lstat(p))), told(lambda: link(os.readlink(p))),
        [told(lambda: os.access(p, m)) for m in (os.F_OK, os.R_OK, os.W_OK, os.X_OK)],
        told(lambda: os.access(p, os.R_OK, effective_ids=True)), told(lambda: os.access(p, os.F_OK, follow_symlinks=False)),
        told(lambda: sorted(os.listxattr(p))), told(lambda: os.getxattr(p, "user.a")),
        told(lambda: os.getxattr(p, "user.a", follow_symlinks=False)), told(lambda: os.statvfs(p).f_bsize),
        told(lambda: link(os.path.realpath(p, strict=True))))
for d in (".", "src", "/usr/lib/python3", "/dev/pts", "link", "/root"):
    print(d, told(lambda: sorted(os.listdir(d))))
src = os.open("src", os.O_RDONLY)
print([told(lambda: shape(os.stat(n, dir_fd=src))) for n in (".", "..", "../README", "main.py")], shape(os.fstat(src)))
print(told(lambda: os.readlink("../link", dir_fd=src)), sorted(os.listdir(src)), sorted(os.listdir(src)))
os.chdir("src/deep")
print([told(lambda: shape(os.stat(n))) for n in (".", "..", "../main.py", "more.py")], sorted(os.listdir("..")))
)";

TEST_P(HideTest, VisibleNamesAreToldAsTheKernelTellsThem) {
  for (const auto& [target, name] :
       std::vector<std::pair<std::string, std::string>>{{"README", "link"},
                                                        {"nowhere", "broken"},
                                                        {"loop", "loop"},
                                                        {"src/../README", "up"},
                                                        {"/usr/lib", "out"},
                                                        {"/etc/passwd", "away"}}) {
    fs::create_symlink(target, Tree("with") + "/" + name);
  }
  std::ofstream(scratch_ + "/look.py") << kLook;
  for (const char* mode : {"host-rw", "rw", "overlay"}) {
    SCOPED_TRACE(mode);
    const std::string script = "python3 " + scratch_ + "/look.py < /dev/null";
    const std::vector<std::string> flags = {"--scope", "all", "--ro", scratch_ + "/look.py"};
    std::vector<std::string> hiding = flags;
    hiding.insert(hiding.end(), {"--hide", "no-such-name"});
    const std::string natively = Say("with", mode, script, flags);
    EXPECT_NE(natively.find("\nexit 0\n"), std::string::npos) << natively;
    EXPECT_EQ(Say("with", mode, script, hiding), natively);
  }
}

// A directory of 2,000 names, three of four hidden, read by four threads through one descriptor
// with small buffers: each visible name comes once, as from the kernel.
TEST_P(HideTest, ThreadsThatShareADirectoryGetEachVisibleNameOnce) {
  fs::create_directory(Tree("with") + "/many");
  for (int i = 0; i < 2000; ++i) {
    Write("with", "many/" + std::string(i % 4 == 0 ? "seen" : "hidden") + std::to_string(i));
  }
  fs::permissions(Tree("with") + "/many", fs::perms::all);
  const std::string script = R"(python3 - <<'END'
import collections, ctypes, os, struct, threading
libc = ctypes.CDLL(None, use_errno=True)
directory = os.open("many", os.O_RDONLY)
seen = collections.Counter()
def read(room):
    buffer = ctypes.create_string_buffer(room)
    while (size := libc.syscall(217 if os.uname().machine == "x86_64" else 61, directory, buffer, room)) > 0:
        at = 0
        while at < size:
            length, = struct.unpack_from("H", buffer, at + 16)
            seen[buffer.raw[at + 19:at + length].split(b"\0")[0].decode()] += 1
            at += length
threads = [threading.Thread(target=read, args=(room,)) for room in (64, 200, 1000, 32768)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(seen), set(seen.values()), sum(name.startswith("hidden") for name in seen))
END)";
  EXPECT_EQ(Say("with", "host-rw", script, {}), "2002 {1} 1500\nexit 0\n") << "the control";
  EXPECT_EQ(Say("with", "host-rw", script, {"--hide", "hidden*"}), "502 {1} 0\nexit 0\n");
}

TEST_P(HideTest, FileThatIsMadeLaterIsHiddenToo) {
  const std::string script =
      "touch go; until test -e done; do sleep 0.02; done; ls -A many; cat many/.env; echo $?";
  fs::create_directory(Tree("with") + "/many");
  fs::permissions(Tree("with"), fs::perms::all);
  const pid_t child = Start({"run", "--mount", Tree("with"), "--workdir", Tree("with"), "--hide",
                             ".env", "--", "sh", "-c", "(" + script + ") > said 2>&1"});
  ASSERT_TRUE(Eventually([&] { return fs::exists(Tree("with") + "/go"); }));
  Write("with", "many/.env");
  Write("with", "many/seen");
  Write("with", "done");
  EXPECT_EQ(AwaitExit(child), 0);
  EXPECT_EQ(ReadWholeFile(Tree("with") + "/said"),
            "seen\ncat: many/.env: No such file or directory\n1\n");
}

TEST_P(HideTest, ScopeWritesIsAnErrorThatSaysWhy) {
  const CliResult result =
      Cli({"run", "--mount", Tree("with"), "--hide", ".env", "--scope", "writes", "--", "true"});
  EXPECT_EQ(result.exit_code, 125);
  EXPECT_NE(result.err.find("hides names"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace sessionctl

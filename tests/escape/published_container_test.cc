// Published ways out of containers and sandboxes that could have their like here, each named after
// what went wrong there. Which other ones are held by tests of their own, and which have nothing to
// do with this design, is in docs/threat_model.md ("Published bypasses").
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/escape/attack.h"
#include "tests/harness/session.h"
#include "tests/harness/user_and_view.h"

namespace escape {
namespace {

harness::Command Python(const AttackScene& scene, const std::string& script,
                        const std::vector<std::string>& arguments = {}) {
  harness::Command command = {.argv = {"/usr/bin/python3", "-c", script},
                              .directory = scene.mount()};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  return command;
}

// CVE-2019-5736 (runc), CVE-2019-12499 (firejail): the program that a session was started by is
// overwritten through /proc/PID/exe, held by O_PATH until it may be written.
TEST(RuntimeBinary, IsNotOverwrittenThroughProcExe) {
  AttackScene scene;
  harness::CopyProgram("/bin/sleep", scene.Tool("runtime"));
  const std::string script =
      "import os,subprocess,sys\n"
      "p=subprocess.Popen([sys.argv[1],'60'])\n"
      "while os.readlink('/proc/%d/exe'%p.pid)!=sys.argv[1]: pass\n"
      "fd=os.open('/proc/%d/exe'%p.pid,os.O_PATH)\np.kill(); p.wait()\n"
      "try: os.write(os.open('/proc/self/fd/%d'%fd,os.O_WRONLY|os.O_TRUNC),b'overwritten')\n"
      "except OSError as e: print(e.strerror)";
  const harness::Command command = Python(scene, script, {scene.Tool("runtime")});
  harness::Run(command);
  EXPECT_EQ(harness::ReadFile(scene.Tool("runtime")), "overwritten") << "the bare control";
  harness::CopyProgram("/bin/sleep", scene.Tool("runtime"));
  const harness::Outcome session = harness::RunEither(scene.Flags(), command);
  EXPECT_EQ(session.out, "Read-only file system\n") << session.err;
  EXPECT_EQ(harness::ReadFile(scene.Tool("runtime")), harness::ReadFile("/bin/sleep"));
}

// The same with the broker's own program, which is its parent's.
TEST(RuntimeBinary, OfTheBrokerCannotBeHeld) {
  AttackScene scene;
  const std::string steps = "open 0 path /proc/%p/exe";
  EXPECT_EQ(scene.RunBare(steps).LastError(), "OK") << "the bare control";
  EXPECT_EQ(scene.RunInSession(steps, scene.Flags()).LastError(), harness::OutsideErrno());
}

// CVE-2024-21626 (runc): a descriptor of a host directory leaks in, or is the working directory.
TEST(LeakedDirectory, IsNotAmongTheDescriptors) {
  AttackScene scene;
  constexpr int kLeaked = 63;
  const int directory = open(scene.vault().path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(dup2(directory, kLeaked), kLeaked);  // inherited by what is started
  const std::string steps = "read /proc/self/fd/63/target";
  EXPECT_TRUE(scene.RunBare(steps).Saw("CANARY-OUTSIDE")) << "the bare control";
  const Steps session = scene.RunInSession(steps, scene.Flags());
  close(kLeaked);
  close(directory);
  EXPECT_EQ(session.LastError(), "ENOENT") << session.raw;
}

TEST(LeakedDirectory, AsAWorkingDirectoryGivesNothing) {
  AttackScene scene;
  const std::string steps = "read target , write wronly target , mkdir made";
  harness::Command command = scene.StepsCommand(steps);
  command.directory = scene.vault().path();
  EXPECT_EQ(AttackScene::Parse(harness::Run(command)).LastError(), "OK") << "the bare control";
  EXPECT_TRUE(scene.vault().CheckAndReset());
  harness::SessionFlags flags = scene.Flags();
  flags.extra = {"--workdir", scene.vault().path()};
  const harness::Outcome outcome = harness::RunEither(flags, command);
  EXPECT_FALSE(scene.vault().CheckAndReset()) << scene.vault().first_difference();
  if (harness::InPrivateView()) {
    EXPECT_NE(outcome.err.find("No such file or directory"), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.exit_code, 125);
    return;
  }
  const Steps session = AttackScene::Parse(outcome);
  ASSERT_EQ(session.results.size(), 3U) << session.raw;
  for (const StepResult& result : session.results) EXPECT_EQ(result.error, "EACCES") << result.step;
}

// CVE-2025-52881, CVE-2025-31133 (runc): a write that was meant for a harmless file is redirected
// to one of /proc by a link that was planted where the runtime writes.
TEST(ProcWrite, IsNotReachedByAPlantedLink) {
  AttackScene scene;
  harness::Child victim({.argv = {"/bin/sleep", "60"}, .directory = "/"});
  const std::string filter = "/proc/" + std::to_string(victim.pid()) + "/coredump_filter";
  const std::string script =
      "import os,sys\nif not os.path.islink('link'): os.symlink(sys.argv[1],'link')\n"
      "try:\n with open('link','w') as f: f.write(sys.argv[2])\nexcept OSError as e: "
      "print(e.strerror)";
  harness::Run(Python(scene, script, {filter, "0x1"}));
  EXPECT_EQ(harness::ReadFile(filter), "00000001\n") << "the bare control";
  const harness::Outcome session =
      harness::RunEither(scene.Flags(), Python(scene, script, {filter, "0x2"}));
  // A link into /proc is refused where it leads to a process that is there.
  EXPECT_EQ(session.out, harness::OutsideErrno() == "EACCES" ? "Permission denied\n"
                                                             : "No such file or directory\n")
      << session.err;
  EXPECT_EQ(harness::ReadFile(filter), "00000001\n");
}

// CVE-2024-42472 (flatpak), CVE-2021-30465 (runc): a session replaces a directory that the next
// session is to have as a mount by a link.
TEST(PersistentDirectory, ReplacedByALinkIsNoMountOfTheNextSession) {
  AttackScene scene;
  harness::MakeDirectory(scene.mount() + "/persist");
  harness::SessionFlags flags = scene.Flags();
  const Steps planted = scene.RunInSession("rmdir persist , symlink {vault} persist", flags);
  ASSERT_EQ(planted.LastError(), "OK") << planted.raw;
  const std::string steps = "write wronly persist/target";
  EXPECT_EQ(scene.RunBare(steps).LastError(), "OK") << "the bare control";
  EXPECT_TRUE(scene.vault().CheckAndReset());
  flags.mounts.push_back(scene.mount() + "/persist");
  const harness::Outcome session = harness::RunEither(flags, scene.StepsCommand(steps));
  EXPECT_EQ(session.exit_code, 125) << session.out;
  EXPECT_NE(session.err.find("a link in mount"), std::string::npos) << session.err;
  EXPECT_FALSE(scene.vault().CheckAndReset()) << scene.vault().first_difference();
}

// CVE-2024-32462 (flatpak): a command that looks like an option of the sandbox is one.
TEST(CommandLine, CommandThatLooksLikeAnOptionGrantsNothing) {
  AttackScene scene;
  const std::string grant = "--mount=" + scene.vault().path();
  const std::string canary = scene.vault().path() + "/target";
  harness::SessionFlags granted = scene.Flags();
  granted.extra = {grant};
  const harness::Command read = {.argv = {"/bin/cat", canary}};
  EXPECT_EQ(harness::RunEither(granted, read).exit_code, 0) << "the control: it is such an option";
  const harness::Outcome session =
      harness::RunEither(scene.Flags(), {.argv = {grant, "/bin/cat", canary}});
  EXPECT_EQ(session.exit_code, 127) << session.err;
  EXPECT_EQ(session.out, "");
}

// CVE-2017-5226, CVE-2019-10063, CVE-2023-28100 (bubblewrap, flatpak), CVE-2019-7303 (snapd, whose
// filter compared all 64 bits of a number of which the kernel takes 32): input for the terminal
// that the session shares with its caller.
TEST(TerminalInput, IsRefusedHoweverTheRequestIsSpelled) {
  AttackScene scene;
  const std::string script =
      "import ctypes,errno,os,pty\nlibc=ctypes.CDLL(None,use_errno=True)\npid,fd=pty.fork()\n"
      "if pid==0:\n out=[]\n for high in (0,1<<32,0xffffffff<<32):\n  for request in "
      "(0x5412,0x541C):\n   r=libc.ioctl(ctypes.c_int(0),"
      "ctypes.c_ulong(high|request),ctypes.c_char_p(b'\\x0bx'))\n"
      "   out.append('OK' if r>=0 else errno.errorcode[ctypes.get_errno()])\n"
      " os.write(1,' '.join(out).encode()+b'\\n'); os._exit(0)\n"
      "text=b''\n"
      "while b'\\n' not in text: text+=os.read(fd,100)\nprint(text.decode().split('\\r')[0][-60:])";
  const harness::Outcome bare = harness::Run(Python(scene, script));
  // Without CAP_SYS_ADMIN newer kernels refuse it themselves; TIOCLINUX means something on a
  // virtual console only. None of that is EPERM for both spellings.
  EXPECT_NE(bare.out.find("ENOTTY"), std::string::npos) << bare.out << bare.err;
  const harness::Outcome session = harness::RunEither(scene.Flags(), Python(scene, script));
  EXPECT_EQ(session.out, "EPERM EPERM EPERM EPERM EPERM EPERM\n") << session.err;
}

}  // namespace
}  // namespace escape

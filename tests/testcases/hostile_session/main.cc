// Everything that a hostile session can try, in one program, one line an attempt:
//   RESULT <tab> FAMILY <tab> ATTEMPT <tab> TARGET <tab> BARE <tab> DETAIL
// RESULT is "held", "reached" (an escape), "absent" (not possible on this machine) or "hung". BARE
// says when the same attempt must reach outside of any session: "always", "root" or "depends".
//
//   hostile_session [--family NAME]… [NAME=VALUE]…     the attempts (attempt.h says which values)
//   hostile_session --bystander READY_FILE VAULT       a process to make them against (bystander.h)
//   hostile_session --surroundings VAULT PROGRAM…      runs a program as a careless caller does:
//   with a terminal of its
//                                                      own as standard input, the vault left open
//                                                      as descriptor 7, and another process in its
//                                                      group, whose id it appends: mate.pid=N
//
// In a session the broker and its parent are looked up; bare, "broker.pid" and "supervisor.pid"
// name stand-ins.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>

#include "tests/testcases/hostile_session/bystander.h"
#include "tests/testcases/hostile_session/tables.h"

namespace hostile {
namespace {

constexpr unsigned kSeconds = 20;

// The parent of a process (proc_pid_stat(5)), 0 when it cannot be seen.
pid_t ParentOf(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const size_t at = text.rfind(')');
  return at == std::string::npos ? 0
                                 : static_cast<pid_t>(strtol(text.c_str() + at + 4, nullptr, 10));
}

std::vector<Attempt> AllAttempts() {
  std::vector<Attempt> all;
  for (const auto& table :
       {SignalAttempts, ProcessAttempts, ProcFileAttempts, IpcAttempts, DescriptorAttempts,
        TerminalAttempts, KernelAttempts, MemoryAttempts, NetworkAttempts, HostFileAttempts}) {
    const std::vector<Attempt> rows = table();
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

const char* BareName(Bare bare) {
  switch (bare) {
    case Bare::kAlways: return "always";
    case Bare::kRoot: return "root";
    case Bare::kDepends: return "depends";
  }
  return "?";
}

const char* KindName(Answer::Kind kind) {
  switch (kind) {
    case Answer::Kind::kHeld: return "held";
    case Answer::Kind::kReached: return "reached";
    case Answer::Kind::kAbsent: return "absent";
  }
  return "?";
}

// In a child of its own; what it says comes over a pipe.
std::string Make(const Attempt& attempt, const Scene& scene, const Target& target) {
  int ends[2];
  if (pipe(ends) != 0) return "hung\tno pipe";
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    setpgid(0, 0);
    signal(SIGTTOU, SIG_IGN);  // no longer the terminal's foreground group
    alarm(kSeconds);
    const Answer answer = attempt.make(scene, target);
    const std::string text = std::string(KindName(answer.kind)) + "\t" + answer.detail;
    _exit(write(ends[1], text.data(), text.size()) < 0 ? 1 : 0);
  }
  close(ends[1]);
  char buffer[512];
  pollfd source = {ends[0], POLLIN, 0};
  const bool answered = poll(&source, 1, static_cast<int>(kSeconds + 5) * 1000) > 0;
  const ssize_t size = answered ? read(ends[0], buffer, sizeof(buffer)) : 0;
  close(ends[0]);
  int status = 0;
  kill(-child, SIGKILL);  // what it started
  kill(child, SIGKILL);   // it may have gone to another group
  waitpid(child, &status, 0);
  if (size > 0) return std::string(buffer, static_cast<size_t>(size));
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) return "held\tSIGSYS";
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? "hung\t" : "hung\tdied";
}

void Print(const Attempt& attempt, const Target& target, const std::string& result) {
  const size_t tab = result.find('\t');
  printf("%s\t%s\t%s\t%s\t%s\t%s\n", result.substr(0, tab).c_str(), attempt.family, attempt.name,
         target.name.c_str(), BareName(attempt.bare), result.substr(tab + 1).c_str());
  fflush(stdout);
}

std::vector<Target> TargetsOf(const Attempt& attempt, const Scene& scene) {
  if (attempt.against == Against::kNone) return {{}};
  std::vector<std::string> names = {"outside", "sibling"};
  if (attempt.against == Against::kProcesses) names.insert(names.end(), {"broker", "supervisor"});
  std::vector<Target> targets;
  for (const std::string& name : names) {
    const auto pid = static_cast<pid_t>(scene.Number(name + ".pid"));
    if (pid > 0) targets.push_back({name, pid});
  }
  return targets;
}

int RunAttempts(const std::set<std::string>& families, Scene scene) {
  if (scene.Get("broker.pid").empty()) {
    scene.Set("broker.pid", std::to_string(getppid()));
    scene.Set("supervisor.pid", std::to_string(ParentOf(getppid())));
  }
  for (const Attempt& attempt : AllAttempts()) {
    if (!families.empty() && families.count(attempt.family) == 0) continue;
    for (const Target& target : TargetsOf(attempt, scene)) {
      Print(attempt, target, Make(attempt, scene, target));
    }
  }
  return 0;
}

constexpr int kLeftOpen = 7;

// Another process of the program's own group, as of a pipeline.
pid_t StartMate() {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  const pid_t mate = fork();
  if (mate == 0) RunMate(ends[1]);
  char ready;
  const bool started = read(ends[0], &ready, 1) == 1;
  close(ends[0]);
  close(ends[1]);
  return started ? mate : -1;
}

int RunInSurroundings(const char* vault, std::vector<char*> argv) {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) return 1;
  const char* name = ptsname(terminal);
  const pid_t child = fork();
  if (child == 0) {
    setsid();
    const int other_end = open(name, O_RDWR);  // and it is the controlling terminal
    dup2(other_end, 0);
    dup2(open(vault, O_RDONLY | O_DIRECTORY), kLeftOpen);
    for (int fd = 3; fd < 64; ++fd) {
      if (fd != kLeftOpen) close(fd);
    }
    std::string mate = "mate.pid=" + std::to_string(StartMate());
    argv.push_back(mate.data());
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  kill(-child, SIGKILL);  // the mate
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

}  // namespace
}  // namespace hostile

int main(int argc, char** argv) {
  if (argc == 4 && strcmp(argv[1], "--bystander") == 0) {
    return hostile::RunBystander(argv[2], argv[3]);
  }
  if (argc > 3 && strcmp(argv[1], "--surroundings") == 0) {
    return hostile::RunInSurroundings(argv[2], std::vector<char*>(argv + 3, argv + argc));
  }
  hostile::Scene scene;
  std::set<std::string> families;
  for (int i = 1; i < argc; ++i) {
    const char* equals = strchr(argv[i], '=');
    if (strcmp(argv[i], "--family") == 0 && i + 1 < argc) {
      families.insert(argv[++i]);
    } else if (equals != nullptr) {
      scene.Set(std::string(argv[i], static_cast<size_t>(equals - argv[i])), equals + 1);
    } else {
      fprintf(stderr, "hostile_session: what is %s?\n", argv[i]);
      return 2;
    }
  }
  return hostile::RunAttempts(families, scene);
}

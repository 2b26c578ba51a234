#include "tests/escape/hostile_scene.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <sstream>

#include "tests/harness/broker_usage.h"

namespace escape {
namespace {

using harness::Command;
using harness::Outcome;
using harness::SessionFlags;

constexpr double kStartSeconds = 60;

std::string ValueIn(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + "=")) return line.substr(name.size() + 1);
  }
  return "";
}

// What an attempt may change of a process from outside.
std::string StateOf(pid_t pid) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  sched_getaffinity(pid, sizeof(cpus), &cpus);
  rlimit core = {};
  prlimit(pid, RLIMIT_CORE, nullptr, &core);
  const std::string proc = "/proc/" + std::to_string(pid);
  std::ostringstream text;
  text << "name " << harness::ReadFile(proc + "/comm") << "nice "
       << getpriority(PRIO_PROCESS, static_cast<id_t>(pid)) << "\npolicy "
       << sched_getscheduler(pid) << "\ncpus " << CPU_COUNT(&cpus) << "\ncore " << core.rlim_cur
       << "\noom " << harness::ReadFile(proc + "/oom_score_adj");
  return text.str();
}

// The System V objects and the queue that a bystander says it made: they outlive it.
void RemoveIpc(const std::string& ready) {
  const auto id = [&](const char* name) {
    const std::string value = ValueIn(ready, name);
    return value.empty() ? -1 : atoi(value.c_str());
  };
  if (id("shm") >= 0) shmctl(id("shm"), IPC_RMID, nullptr);
  if (id("msg") >= 0) msgctl(id("msg"), IPC_RMID, nullptr);
  if (id("sem") >= 0) semctl(id("sem"), 0, IPC_RMID);
  if (const std::string queue = ValueIn(ready, "mq"); !queue.empty()) mq_unlink(queue.c_str());
}

std::vector<HostileResult> Parse(const std::string& out) {
  std::vector<HostileResult> results;
  std::istringstream lines(out);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    HostileResult result;
    for (std::string* field : {&result.result, &result.family, &result.attempt, &result.target,
                               &result.bare, &result.detail}) {
      std::getline(fields, *field, '\t');
    }
    results.push_back(result);
  }
  return results;
}

}  // namespace

HostileScene::HostileScene(std::optional<uid_t> as_user)
    : as_user_(as_user), vault_(root_ / "vault", as_user) {
  for (const char* name : {"mount", "sibling", "outside", "tools"}) {
    harness::MakeDirectory(root_ / name);
  }
  harness::WriteFile(root_ / "vault/canary", harness::kCanary);
  harness::CopyProgram(harness::TestcasePath("hostile_session"), Program());
  if (as_user_.has_value()) harness::GiveTree(root_.path(), *as_user_, *as_user_);
  host_shm_ = "/hostile-" + std::to_string(getpid());
  const int shm = shm_open(host_shm_.c_str(), O_CREAT | O_RDWR, 0600);
  if (shm < 0 || ftruncate(shm, 4096) != 0) abort();
  if (as_user_.has_value() && fchown(shm, *as_user_, *as_user_) != 0) abort();
  close(shm);
  vault_.Remember();
}

HostileScene::~HostileScene() {
  shm_unlink(host_shm_.c_str());
  for (const Bystander& bystander : bystanders_) {
    if (bystander.shares_ipc) RemoveIpc(harness::ReadFile(bystander.ready_file));
  }
}

Command HostileScene::AsUser(std::vector<std::string> argv) const {
  return {.argv = std::move(argv), .directory = root_ / "mount", .as_user = as_user_};
}

SessionFlags HostileScene::Flags() const {
  SessionFlags flags;
  flags.mounts = {root_ / "mount"};
  flags.read_exec = {root_ / "tools"};
  return flags;
}

void HostileScene::Start(const std::string& name, const std::string& directory,
                         const std::optional<SessionFlags>& session) {
  const std::string ready_file = root_ / (directory + "/" + name);
  std::vector<std::string> argv = {Program(), "--bystander", ready_file, vault_.path()};
  if (session.has_value()) argv = harness::SessionArgv(*session, argv);
  const bool shares_ipc = !session.has_value() || !session->extra.empty();
  bystanders_.push_back(
      {name, ready_file, shares_ipc, std::make_unique<harness::Child>(AsUser(argv))});
}

void HostileScene::AwaitReady() {
  for (const Bystander& bystander : bystanders_) {
    for (int i = 0; i < kStartSeconds * 100 && !harness::Exists(bystander.ready_file); ++i) {
      if (!bystander.child->Running()) break;
      poll(nullptr, 0, 10);
    }
    ASSERT_TRUE(harness::Exists(bystander.ready_file)) << bystander.name << " did not start";
  }
}

std::vector<std::string> HostileScene::Values() const {
  std::vector<std::string> values = {"vault=" + vault_.path(), "host_shm=" + host_shm_};
  for (const Bystander& bystander : bystanders_) {
    std::istringstream lines(harness::ReadFile(bystander.ready_file));
    for (std::string line; std::getline(lines, line);) {
      // By the number that reaches it from outside.
      if (line.starts_with("pid=")) {
        const pid_t inside = atoi(line.c_str() + strlen("pid="));
        line = "pid=" + std::to_string(harness::HostNumberOf(inside, bystander.child->pid()));
      }
      values.push_back(bystander.name + "." + line);
    }
  }
  return values;
}

std::vector<HostileResult> HostileScene::Run(const std::vector<std::string>& families,
                                             const std::optional<SessionFlags>& session) {
  SessionFlags siblings = Flags();
  siblings.mounts = {root_ / "sibling"};
  // Bare, the attempts must reach: what the sibling makes is not in a namespace of its own then.
  if (!session.has_value()) siblings.extra = {"--allow-group", "ipc"};
  Start("outside", "mount", std::nullopt);  // its accomplice's socket lies in the mount
  Start("sibling", "sibling", siblings);
  if (!session.has_value()) {
    Start("broker", "outside", std::nullopt);
    Start("supervisor", "outside", std::nullopt);
  }
  AwaitReady();
  if (testing::Test::HasFatalFailure()) return {};
  const std::string ready = harness::ReadFile(bystanders_.front().ready_file);
  outside_before_ = StateOf(atoi(ValueIn(ready, "pid").c_str()));
  std::vector<std::string> argv = {Program()};
  for (const std::string& family : families) argv.insert(argv.end(), {"--family", family});
  for (const std::string& value : Values()) argv.push_back(value);
  if (session.has_value()) argv.emplace_back("in_session=1");
  if (session.has_value()) argv = harness::SessionArgv(*session, argv);
  // A directory that the caller has open and does not mean for its children.
  argv.insert(argv.begin(), {Program(), "--surroundings", vault_.path()});
  const Outcome outcome = harness::Run(AsUser(argv));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  return Parse(outcome.out);
}

std::string HostileScene::Harm() {
  const std::string ready = harness::ReadFile(bystanders_.front().ready_file);
  const std::string after = StateOf(atoi(ValueIn(ready, "pid").c_str()));
  std::string harm;
  if (after != outside_before_) harm = "before:\n" + outside_before_ + "after:\n" + after;
  for (Bystander& bystander : bystanders_) {
    if (!bystander.child->Running()) harm += bystander.name + " has ended\n";
  }
  if (vault_.CheckAndReset()) harm += vault_.first_difference();
  return harm;
}

}  // namespace escape

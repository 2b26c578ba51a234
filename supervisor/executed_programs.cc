#include "supervisor/executed_programs.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "sandbox/base/syscalls.h"
#include "supervisor/broker.h"
#include "supervisor/mediator/terminals.h"

namespace sessionctl {
namespace {

constexpr size_t kForwardedAtOnce = 16384;
constexpr int kMostPieces = 16;   // of what a program has left behind, each stream
constexpr int kMostAnswers = 64;  // in one turn
constexpr std::chrono::seconds kInitPatience(10);
constexpr std::chrono::milliseconds kEndPatience(500);  // for a session's end to be told

constexpr char kNoInit[] = "nothing can be executed in this session: it has killed its init";

// "K=V": the later ones replace the earlier.
std::vector<std::string> MergeEnvironment(std::vector<std::string> base,
                                          const std::vector<std::string>& added) {
  for (const std::string& entry : added) {
    const std::string prefix = entry.substr(0, entry.find('=') + 1);
    std::erase_if(base, [&](const std::string& old) { return old.starts_with(prefix); });
    base.push_back(entry);
  }
  return base;
}

StreamExit FromWaitStatus(int status) {
  if (WIFSIGNALED(status)) return {.code = {}, .signal = WTERMSIG(status), .reason = "signal"};
  return {.code = WEXITSTATUS(status), .signal = {}, .reason = "exited"};
}

}  // namespace

std::vector<std::string> EnvironmentForTerminal(std::vector<std::string> environment) {
  const bool named =
      std::any_of(environment.begin(), environment.end(),
                  [](const std::string& entry) { return entry.starts_with("TERM="); });
  if (!named) environment.push_back("TERM=xterm");
  return environment;
}

absl::Status ExecutedPrograms::CheckRoom() {
  if (!context_.init.is_open()) return absl::FailedPreconditionError(kNoInit);
  const auto running = std::count_if(programs_.begin(), programs_.end(),
                                     [](const auto& program) { return !program->ended; });
  if (static_cast<size_t>(running) < kMaxExecuted) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("what was executed in this session and still runs is ", kMaxExecuted,
                   " programs; there are no more at once"));
}

void ExecutedPrograms::SetCommand(pid_t command) {
  if (!context_.own_view) return;
  if (SysResult<OwnedFd> pidfd = PidfdOpen(command, 0); pidfd.ok()) command_ = std::move(*pidfd);
  command_root_ = absl::StrCat("/proc/", command, "/root");
}

// In the session's own devpts, so that it has a name there. No name of the session's is on the way:
// it can neither change what lies in its root nor enter another one.
SysResult<OwnedFd> ExecutedPrograms::OpenOwnMultiplexer() const {
  SysResult<OwnedFd> root = OpenAt(AT_FDCWD, command_root_.c_str(), O_PATH | O_DIRECTORY);
  if (!root.ok()) return root;
  pollfd ended = {.fd = command_.get(), .events = POLLIN};
  if (!command_.valid() || poll(&ended, 1, 0) != 0) return Errno(ESRCH);  // or somebody else's
  SysResult<OwnedFd> master = OpenAt2(
      root->get(), "dev/pts/ptmx",
      {.flags = O_RDWR | O_NOCTTY | O_CLOEXEC, .resolve = kResolveBeneath | kResolveNoSymlinks});
  if (!master.ok()) return master;
  SysResult<struct stat> info = Fstat(master->get());
  if (!info.ok() || !Terminals::IsMultiplexer(*info)) return Errno(ENOTTY);
  return master;
}

SysResult<ProgramStreams> ExecutedPrograms::MakeTerminal(TerminalSize size) const {
  if (!context_.own_view) return ProgramStreams::MakeTerminal(size, context_.owner);
  SysResult<OwnedFd> master = OpenOwnMultiplexer();
  if (!master.ok()) return Errno(master.error());
  return ProgramStreams::MakeTerminal(size, context_.owner, std::move(*master));
}

absl::Status ExecutedPrograms::Start(const ControlRequest& request, OwnedFd* stream) {
  if (absl::Status room = CheckRoom(); !room.ok()) return room;
  SysResult<ProgramStreams> streams =
      request.terminal.has_value()
          ? MakeTerminal(*request.terminal)
          : ProgramStreams::MakePipes(request.stdin_open, /*apart=*/true, context_.owner);
  if (!streams.ok()) return absl::ErrnoToStatus(streams.error(), "streams for the program");
  const uint32_t id = ++last_id_;
  if (absl::Status asked = Ask(request, id, &*streams); !asked.ok()) return asked;
  programs_.push_back(
      std::make_unique<Program>(Program{.id = id,
                                        .name = request.argv[0],
                                        .streams = std::move(*streams),
                                        .client = AttachedClient(std::move(*stream), request),
                                        .must_start_by = Clock::now() + kInitPatience,
                                        .failure = {}}));
  return absl::OkStatus();
}

absl::Status ExecutedPrograms::Ask(const ControlRequest& request, uint32_t id,
                                   ProgramStreams* streams) {
  InitStart start = {.id = id,
                     .terminal = streams->is_terminal(),
                     .working_directory = request.working_directory,
                     .program_paths = {},
                     .argv = request.argv,
                     .environment = MergeEnvironment(context_.environment, request.environment)};
  if (start.terminal) start.environment = EnvironmentForTerminal(std::move(start.environment));
  start.program_paths = ProgramPaths(request.argv[0], start.environment);
  Announce(*streams);
  const std::array<int, 3> ends = streams->theirs();
  SysStatus sent = context_.init.Send(start, {ends[0], ends[1], ends[2]});
  streams->LetGo();
  if (sent.ok()) return absl::OkStatus();
  if (sent.error() == EMSGSIZE) {
    return absl::InvalidArgumentError("too many or too long arguments and variables");
  }
  if (sent.error() == EAGAIN) {
    return absl::FailedPreconditionError("the session's init takes no requests: is it stopped?");
  }
  LoseInit(kNoInit);
  return absl::FailedPreconditionError(kNoInit);
}

// The broker hears of the terminal before anybody can have it.
void ExecutedPrograms::Announce(const ProgramStreams& streams) const {
  if (!streams.is_terminal()) return;
  const uint32_t number =
      streams.terminal_number() | (context_.own_view ? Terminals::kInOwnDevpts : 0);
  // A full pipe: then nobody in the session has ever asked for one.
  if (write(context_.terminals_fd, &number, sizeof(number)) < 0) return;
}

void ExecutedPrograms::Watch(PollLoop* loop) {
  const auto now = Clock::now();
  if (tell_at_.has_value() && now >= *tell_at_) TellOfLostInit();
  for (const auto& program : programs_) LookAfter(program.get(), now);
  std::erase_if(programs_,
                [](const auto& program) { return program->ended && !program->client.is_open(); });
  if (context_.init.is_open()) {
    loop->Watch(context_.init.fd(), POLLIN, [this](short) { HearInit(); });
  }
  for (const auto& each : programs_) {
    Program* program = each.get();
    program->client.Watch(loop, &program->streams);
    if (!program->client.is_open() || program->client.backlog() >= AttachedClient::kEnough)
      continue;
    if (program->streams.output_fd() >= 0) {
      loop->Watch(program->streams.output_fd(), POLLIN,
                  [this, program](short) { CopyOutput(program, FrameType::kStdout); });
    }
    if (program->streams.error_fd() >= 0) {
      loop->Watch(program->streams.error_fd(), POLLIN,
                  [this, program](short) { CopyOutput(program, FrameType::kStderr); });
    }
  }
}

void ExecutedPrograms::LookAfter(Program* program, Clock::time_point now) {
  program->client.DropLate(now);
  if (!program->started && !program->ended && program->client.is_open() &&
      now >= program->must_start_by) {
    program->client.Refuse("the session's init does not answer: is it stopped?");
  }
  // Who has nobody any more finds its streams closed, as behind any pipe or terminal.
  if (!program->client.is_open()) program->streams.CloseAll();
}

std::optional<ExecutedPrograms::Clock::time_point> ExecutedPrograms::deadline() const {
  std::optional<Clock::time_point> first;
  const auto consider = [&first](Clock::time_point when) {
    first = first.has_value() ? std::min(*first, when) : when;
  };
  if (tell_at_.has_value()) consider(*tell_at_);
  for (const auto& program : programs_) {
    if (!program->client.is_open()) continue;
    if (!program->started && !program->ended) consider(program->must_start_by);
    if (program->client.deadline().has_value()) consider(*program->client.deadline());
  }
  return first;
}

void ExecutedPrograms::CopyOutput(Program* program, FrameType type) {
  std::array<char, kForwardedAtOnce> piece;
  const size_t size = type == FrameType::kStdout
                          ? program->streams.ReadOutput(piece.data(), piece.size())
                          : program->streams.ReadError(piece.data(), piece.size());
  if (size > 0) program->client.Send(type, {piece.data(), size});
}

void ExecutedPrograms::HearInit() {
  for (int i = 0; i < kMostAnswers && context_.init.is_open(); ++i) {
    SysResult<std::optional<InitAnswer>> answer = context_.init.Receive();
    if (!answer.ok()) return LoseInit("the session has killed its init");
    if (!answer->has_value()) return;
    if (!Take(**answer)) return LoseInit("the session's init says what nobody asked for");
  }
}

bool ExecutedPrograms::Take(const InitAnswer& answer) {
  const auto found = std::find_if(programs_.begin(), programs_.end(), [&](const auto& program) {
    return program->id == answer.id && !program->ended;
  });
  if (found == programs_.end()) return false;
  Program* program = found->get();
  switch (answer.kind) {
    case InitAnswer::Kind::kStarted: return !std::exchange(program->started, true);
    case InitAnswer::Kind::kFailed:
      if (program->failure.has_value()) return false;
      program->failure = answer;
      return true;
    case InitAnswer::Kind::kEnded: Finish(program, answer.value); return true;
  }
  return false;
}

void ExecutedPrograms::Finish(Program* program, int wait_status) {
  // What it has written is still in the pipes. Whoever it left behind may go on writing.
  for (const FrameType type : {FrameType::kStdout, FrameType::kStderr}) {
    for (int i = 0; i < kMostPieces; ++i) CopyOutput(program, type);
  }
  StreamExit exit = FromWaitStatus(wait_status);
  if (program->failure.has_value()) {
    const int error = program->failure->value;
    const bool execution = program->failure->stage == LaunchFailure::Stage::kExec;
    const std::string what =
        execution ? program->name : std::string(LaunchStageName(program->failure->stage));
    exit = {.code = kOwnFailure, .signal = {}, .reason = "start failed"};
    if (execution) exit.code = error == ENOENT ? kNotFound : kNotExecutable;
    program->client.Send(FrameType::kError, absl::StrCat(what, ": ", strerror(error)));
  }
  program->ended = true;
  program->client.Finish(exit);
  program->streams.CloseAll();
}

// The session's end takes init along, too, and is told in a moment.
void ExecutedPrograms::LoseInit(const char* why) {
  context_.init.Close();
  init_lost_ = why;
  tell_at_ = Clock::now() + kEndPatience;
}

void ExecutedPrograms::TellOfLostInit() {
  tell_at_.reset();
  for (const auto& program : programs_) {
    if (program->ended) continue;
    program->ended = true;
    program->client.Send(FrameType::kError,
                         absl::StrCat(init_lost_, "; how ", program->name, " ends is not known"));
    program->client.Finish({.code = {}, .signal = {}, .reason = "init lost"});
    program->streams.CloseAll();
  }
}

void ExecutedPrograms::End() {
  if (context_.init.is_open()) HearInit();  // what it said before the end
  context_.init.Close();
  tell_at_.reset();
  for (const auto& program : programs_) {
    if (!program->ended) Finish(program.get(), SIGKILL);
  }
}

bool ExecutedPrograms::has_clients() const {
  return std::any_of(programs_.begin(), programs_.end(),
                     [](const auto& program) { return program->client.is_open(); });
}

}  // namespace sessionctl

#include "supervisor/program_streams.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <utility>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

SysStatus MakePipe(OwnedFd* read_end, OwnedFd* write_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return LastErrno();
  read_end->Reset(ends[0]);
  write_end->Reset(ends[1]);
  return Done{};
}

void MakeNonBlocking(const OwnedFd& fd) {
  const int flags = fcntl(fd.get(), F_GETFL);
  fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK);
}

// So that the program may open it anew (/dev/stdout, /dev/pts/N) when it is not of our user. Only
// root has to, and can.
void GiveTo(const OwnedFd& fd, uid_t owner) {
  if (owner != geteuid() && fchown(fd.get(), owner, static_cast<gid_t>(-1)) != 0) return;
}

}  // namespace

SysResult<ProgramStreams> ProgramStreams::MakeTerminal(TerminalSize size, uid_t owner,
                                                       OwnedFd master) {
  ProgramStreams streams;
  streams.output_ = std::move(master);
  if (!streams.output_.valid()) {
    streams.output_.Reset(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  }
  unsigned number = 0;
  int unlocked = 0;
  if (!streams.output_.valid() || ioctl(streams.output_.get(), TIOCSPTLCK, &unlocked) != 0 ||
      ioctl(streams.output_.get(), TIOCGPTN, &number) != 0) {
    return LastErrno();
  }
  // By the master, so that it is its very other end.
  streams.theirs_[0].Reset(
      ioctl(streams.output_.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!streams.theirs_[0].valid()) return LastErrno();
  GiveTo(streams.theirs_[0], owner);
  SysResult<OwnedFd> input = Duplicate(streams.output_.get());
  if (!input.ok()) return Errno(input.error());
  streams.input_ = std::move(*input);
  MakeNonBlocking(streams.output_);
  streams.number_ = number;
  streams.Resize(size);
  return streams;
}

SysResult<ProgramStreams> ProgramStreams::MakePipes(bool input, bool apart, uid_t owner) {
  ProgramStreams streams;
  if (input) {
    SysStatus made = MakePipe(&streams.theirs_[0], &streams.input_);
    if (!made.ok()) return Errno(made.error());
    MakeNonBlocking(streams.input_);
  } else {
    SysResult<OwnedFd> null = OpenAt(AT_FDCWD, "/dev/null", O_RDONLY);
    if (!null.ok()) return Errno(null.error());
    streams.theirs_[0] = std::move(*null);
  }
  if (SysStatus made = MakePipe(&streams.output_, &streams.theirs_[1]); !made.ok()) {
    return Errno(made.error());
  }
  MakeNonBlocking(streams.output_);
  if (apart) {
    SysStatus made = MakePipe(&streams.error_, &streams.theirs_[2]);
    if (!made.ok()) return Errno(made.error());
    MakeNonBlocking(streams.error_);
  }
  if (input) GiveTo(streams.theirs_[0], owner);
  for (const size_t i : {1, 2}) {
    if (streams.theirs_[i].valid()) GiveTo(streams.theirs_[i], owner);
  }
  return streams;
}

std::array<int, 3> ProgramStreams::theirs() const {
  std::array<int, 3> ends = {theirs_[0].get(), theirs_[1].get(), theirs_[2].get()};
  if (is_terminal()) ends[1] = ends[0];
  if (ends[2] < 0) ends[2] = ends[1];
  return ends;
}

void ProgramStreams::LetGo() {
  if (is_terminal()) return;
  for (OwnedFd& fd : theirs_) fd.Reset();
}

std::string ProgramStreams::terminal_path() const {
  return is_terminal() ? "/dev/pts/" + std::to_string(*number_) : "";
}

void ProgramStreams::Resize(TerminalSize size) {
  if (!is_terminal()) return;
  winsize window = {};
  window.ws_row = size.rows;
  window.ws_col = size.columns;
  ioctl(output_.get(), TIOCSWINSZ, &window);  // the kernel tells the foreground group
}

size_t ProgramStreams::Write(std::string_view data) {
  if (!input_.valid()) return data.size();
  const ssize_t count = write(input_.get(), data.data(), data.size());
  if (count >= 0) return static_cast<size_t>(count);
  if (errno == EAGAIN || errno == EINTR) return 0;
  input_.Reset();  // the program has closed its end
  return data.size();
}

// On a terminal the end of input is a character, as long as it reads lines (termios(3)).
void ProgramStreams::EndInput() {
  termios modes;
  if (!is_terminal()) {
    input_.Reset();
  } else if (input_.valid() && tcgetattr(input_.get(), &modes) == 0 &&
             (modes.c_lflag & ICANON) != 0) {
    const auto end = static_cast<char>(modes.c_cc[VEOF]);
    Write(std::string_view(&end, 1));
  }
}

size_t ProgramStreams::Read(OwnedFd* from, char* buffer, size_t size) {
  if (!from->valid()) return 0;
  ssize_t count;
  do {
    count = read(from->get(), buffer, size);
  } while (count < 0 && errno == EINTR);
  if (count > 0) return static_cast<size_t>(count);
  if (count == 0 || errno != EAGAIN) from->Reset();
  return 0;
}

void ProgramStreams::CloseAll() {
  for (OwnedFd& fd : theirs_) fd.Reset();
  input_.Reset();
  output_.Reset();
  error_.Reset();
}

}  // namespace sessionctl

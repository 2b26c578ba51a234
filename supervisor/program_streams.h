// Standard streams that are made for a program inside a session, the command or what `exec` starts,
// and our ends of them: a terminal, or pipes.
#ifndef SUPERVISOR_PROGRAM_STREAMS_H_
#define SUPERVISOR_PROGRAM_STREAMS_H_

#include <sys/types.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "supervisor/stream_frames.h"

namespace sessionctl {

class ProgramStreams {
 public:
  // A pseudo-terminal: of the host's /dev/pts, or the one that `master` was just opened as. Errors:
  // those of posix_openpt(3) and ioctl(2).
  static SysResult<ProgramStreams> MakeTerminal(TerminalSize size, uid_t owner,
                                                OwnedFd master = {});
  // Pipes. `input`: one for standard input, else that is /dev/null. `apart`: one of its own for
  // standard error, else both outputs go into one, in order. Errors: those of pipe2(2).
  static SysResult<ProgramStreams> MakePipes(bool input, bool apart, uid_t owner);

  // The program's ends, until LetGo. A terminal stays open here, so that it is one terminal as long
  // as this lives, whoever closes it inside.
  std::array<int, 3> theirs() const;
  void LetGo();

  bool is_terminal() const { return number_.has_value(); }
  unsigned terminal_number() const { return *number_; }
  std::string terminal_path() const;
  void Resize(TerminalSize size);

  // Our ends, non-blocking; -1: there is none, or none any more.
  int input_fd() const { return input_.get(); }
  int output_fd() const { return output_.get(); }
  int error_fd() const { return error_.get(); }

  // Takes as much as fits; returns how much. What nobody will read any more is taken, too.
  size_t Write(std::string_view data);
  void EndInput();

  // One piece of what has come, at most `size` bytes. 0: nothing now, or never again (then the
  // descriptor is closed).
  size_t ReadOutput(char* buffer, size_t size) { return Read(&output_, buffer, size); }
  size_t ReadError(char* buffer, size_t size) { return Read(&error_, buffer, size); }

  void CloseAll();

 private:
  static size_t Read(OwnedFd* from, char* buffer, size_t size);

  std::array<OwnedFd, 3> theirs_;  // of a terminal the first only
  OwnedFd input_, output_, error_;
  std::optional<unsigned> number_;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_PROGRAM_STREAMS_H_

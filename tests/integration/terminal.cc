#include "tests/integration/terminal.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>

#include "tests/integration/cli_runner.h"

namespace sessionctl {

Terminal::Terminal(const std::function<void()>& in_child) {
  shell_ = forkpty(&fd_, nullptr, nullptr, nullptr);
  if (shell_ == 0) {
    in_child();
    _exit(99);
  }
}

Terminal::~Terminal() {
  kill(shell_, SIGKILL);
  close(fd_);
  AwaitExit(shell_);
}

void Terminal::Type(const std::string& text) {
  EXPECT_EQ(write(fd_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

bool Terminal::See(const std::string& text) {
  return Eventually([&] {
    pollfd source = {.fd = fd_, .events = POLLIN, .revents = 0};
    std::array<char, 4096> buffer;
    while (poll(&source, 1, 0) > 0) {
      const ssize_t count = read(fd_, buffer.data(), buffer.size());
      if (count <= 0) break;
      seen_.append(buffer.data(), static_cast<size_t>(count));
    }
    const size_t at = seen_.find(text);
    if (at == std::string::npos) return false;
    seen_.erase(0, at + text.size());
    return true;
  });
}

void Terminal::Resize(int rows, int columns) {
  winsize size = {};
  size.ws_row = static_cast<unsigned short>(rows);
  size.ws_col = static_cast<unsigned short>(columns);
  EXPECT_EQ(ioctl(fd_, TIOCSWINSZ, &size), 0);
}

}  // namespace sessionctl

#include "cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <utility>

namespace sessionctl {
namespace {

constexpr int kBarWidth = 30;
constexpr std::chrono::seconds kLineEvery(2);

size_t TerminalWidth() {
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

std::string ProgressBar(int done, int total) {
  const int filled = total <= 0 ? kBarWidth : std::clamp(done * kBarWidth / total, 0, kBarWidth);
  std::string bar(static_cast<size_t>(filled), '=');
  if (filled < kBarWidth) bar += '>';
  bar.resize(kBarWidth, ' ');
  return "[" + bar + "] " + std::to_string(done) + "/" + std::to_string(total);
}

Progress::Progress(std::string what)
    : what_(std::move(what)),
      terminal_(isatty(STDERR_FILENO) != 0),
      next_line_(Clock::now() + kLineEvery) {}

void Progress::Show(int done, int total, const std::string& detail) {
  std::string line = what_ + " ";
  line +=
      terminal_ ? ProgressBar(done, total) : std::to_string(done) + " of " + std::to_string(total);
  if (!detail.empty()) line += "  " + detail;
  if (line == shown_) return;
  if (!terminal_) {
    // Whoever reads a log wants to see that it goes on, not each step.
    if (Clock::now() < next_line_) return;
    next_line_ = Clock::now() + kLineEvery;
    std::cerr << line << "\n";
  } else {
    // A line that wraps cannot be drawn over.
    std::cerr << "\r\x1b[K" << line.substr(0, TerminalWidth() - 1) << std::flush;
  }
  shown_ = line;
}

void Progress::Clear() {
  if (terminal_ && !shown_.empty()) std::cerr << "\r\x1b[K" << std::flush;
  if (terminal_) shown_.clear();
}

}  // namespace sessionctl

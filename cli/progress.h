// How far something has come that takes a while, on standard error: a bar that is drawn over itself
// on a terminal, else a plain line now and then.
#ifndef CLI_PROGRESS_H_
#define CLI_PROGRESS_H_

#include <chrono>
#include <string>

namespace sessionctl {

class Progress {
 public:
  // "starting": stands in front.
  explicit Progress(std::string what);
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Show(int done, int total, const std::string& detail = "");
  // Takes the bar away: before something else is printed.
  void Clear();

 private:
  using Clock = std::chrono::steady_clock;
  const std::string what_;
  const bool terminal_;
  std::string shown_;
  Clock::time_point next_line_;
};

// "[=====>    ] 12/30", of a fixed width.
std::string ProgressBar(int done, int total);

}  // namespace sessionctl

#endif  // CLI_PROGRESS_H_

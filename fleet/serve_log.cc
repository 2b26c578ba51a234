#include "fleet/serve_log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <utility>

#include "sandbox/signal_names.h"

namespace sessionctl {
namespace {

constexpr size_t kLongestLine = 1000;

// "<6>": the priority, as syslog(3) counts.
class Priority : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& to) override {
    constexpr std::array<const char*, 7> kMarks = {"<7>", "<7>", "<6>", "<4>", "<3>", "<2>", "<6>"};
    const std::string mark = kMarks[static_cast<size_t>(message.level)];
    to.append(mark.data(), mark.data() + mark.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<Priority>();
  }
};

std::string OneLine(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  if (text.size() > kLongestLine) text.resize(kLongestLine);
  return text;
}

std::string ExitText(const SessionExit& exit) {
  std::string text = exit.code.has_value()     ? "code " + std::to_string(*exit.code)
                     : exit.signal.has_value() ? "signal " + SignalName(*exit.signal)
                                               : "";
  if (exit.reason.empty()) return text;
  return text.empty() ? exit.reason : text + " (" + exit.reason + ")";
}

}  // namespace

void SetUpServeLog(const std::string& name) {
  auto logger = spdlog::stderr_logger_st(name);
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<Priority>('*').set_pattern(
      getenv("JOURNAL_STREAM") != nullptr ? "%*%v" : "%Y-%m-%dT%H:%M:%S.%e%z %l: %v");
  logger->set_formatter(std::move(formatter));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(logger);
}

std::string EventLine(const FleetEvent& event) {
  std::string line = event.type;
  if (!event.session.empty()) line += " " + event.session;
  if (!event.name.empty()) line += " \"" + event.name + "\"";
  std::string more = event.exit.has_value() ? ExitText(*event.exit) : "";
  if (!event.message.empty()) more += (more.empty() ? "" : ": ") + event.message;
  return OneLine(more.empty() ? line : line + ": " + more);
}

}  // namespace sessionctl

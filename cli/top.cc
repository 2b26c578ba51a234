// `sessionctl top`: what running sessions use.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cli/command.h"
#include "cli/supervisor_access.h"
#include "cli/table.h"
#include "fleet/exchange.h"
#include "nlohmann/json.hpp"

namespace sessionctl {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kFirstInterval(300);

struct TopFlags {
  std::vector<std::string> labels;
  std::string deployment, sort = "cpu";
  double interval = 2;
  int most = 0;  // lines; 0: all, or as many as the terminal has room for
  bool once = false, as_json = false;
};

struct Sample {
  json sessions = json::array();
  Clock::time_point at;
};

struct Row {
  const json* session;
  double cpu = 0;  // percent of one processor
};

std::string BytesText(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "K", "M", "G", "T"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  snprintf(text, sizeof(text), unit == 0 ? "%.0f%s" : "%.1f%s", value, kUnits[unit]);
  return text;
}

std::string Decimal(double value) {
  char text[32];
  snprintf(text, sizeof(text), "%.1f", value);
  return text;
}

int TakeSample(const ControlClient& client, const TopFlags& flags, Sample* sample) {
  std::string query = LabelQuery(flags.labels, "?");
  if (!flags.deployment.empty()) {
    query += (query.empty() ? "?" : "&") + ("deployment=" + PercentEncode(flags.deployment));
  }
  std::string body;
  if (const int failed = Ask(client, "GET", "/v1/usage" + query, "", &body)) return failed;
  sample->at = Clock::now();
  sample->sessions = json::parse(body, nullptr, /*allow_exceptions=*/false);
  return sample->sessions.is_array() ? 0 : Fail(kExitOwnFailure, "the answer is no JSON");
}

std::vector<Row> RowsOf(const Sample& before, const Sample& now, const std::string& sort) {
  std::map<std::string, uint64_t> cpu_before;
  for (const json& session : before.sessions) {
    cpu_before[session.value("id", "")] = session.value("cpu_us", uint64_t{0});
  }
  const double elapsed = std::chrono::duration<double, std::micro>(now.at - before.at).count();
  std::vector<Row> rows;
  for (const json& session : now.sessions) {
    Row row = {.session = &session};
    const auto was = cpu_before.find(session.value("id", ""));
    const uint64_t cpu = session.value("cpu_us", uint64_t{0});
    if (was != cpu_before.end() && cpu > was->second && elapsed > 0) {
      row.cpu = 100 * static_cast<double>(cpu - was->second) / elapsed;
    }
    rows.push_back(row);
  }
  const std::map<std::string, const char*> keys = {
      {"memory", "memory_bytes"}, {"calls", "mediated_calls"}, {"denials", "denials"}};
  const auto key = keys.find(sort);
  std::stable_sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) {
    if (key == keys.end()) return a.cpu > b.cpu;
    return a.session->value(key->second, uint64_t{0}) > b.session->value(key->second, uint64_t{0});
  });
  return rows;
}

std::string ScreenText(const std::vector<Row>& rows, size_t most) {
  std::vector<std::vector<std::string>> table = {
      {"ID", "CPU%", "CPU-TIME", "MEMORY", "PROCS", "CALLS", "DENIALS", "NAME"}};
  double cpu = 0;
  uint64_t memory = 0;
  for (const Row& row : rows) {
    const json& session = *row.session;
    const auto number = [&session](const char* key) { return session.value(key, uint64_t{0}); };
    cpu += row.cpu;
    memory += number("memory_bytes");
    if (table.size() > most) continue;
    const std::string name = session.value("name", "");
    table.push_back({session.value("id", ""), Decimal(row.cpu),
                     Decimal(static_cast<double>(number("cpu_us")) / 1e6) + "s",
                     BytesText(number("memory_bytes")), std::to_string(number("processes")),
                     std::to_string(number("mediated_calls")), std::to_string(number("denials")),
                     name.empty() ? "-" : PrintableCell(name)});
  }
  return std::to_string(rows.size()) + " sessions, " + Decimal(cpu) + "% of a processor, " +
         BytesText(memory) + " of memory\n" + TableText(table);
}

size_t RowsOfTerminal() {
  winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 5) return 24;
  return size.ws_row;
}

int Once(const ControlClient& client, const TopFlags& flags) {
  Sample first, second;
  if (const int failed = TakeSample(client, flags, &first)) return failed;
  if (flags.as_json) {
    std::cout << first.sessions.dump(2) << "\n";
    return 0;
  }
  std::this_thread::sleep_for(kFirstInterval);
  if (const int failed = TakeSample(client, flags, &second)) return failed;
  const size_t most = flags.most > 0 ? static_cast<size_t>(flags.most) : SIZE_MAX;
  std::cout << ScreenText(RowsOf(first, second, flags.sort), most);
  return 0;
}

// Until the terminal is gone or somebody interrupts.
int Refresh(const ControlClient& client, const TopFlags& flags) {
  Sample before;
  if (const int failed = TakeSample(client, flags, &before)) return failed;
  auto pause = std::chrono::duration<double>(kFirstInterval);
  for (;;) {
    std::this_thread::sleep_for(pause);
    pause = std::chrono::duration<double>(flags.interval);
    Sample now;
    if (const int failed = TakeSample(client, flags, &now)) return failed;
    const size_t room = RowsOfTerminal() - 3;
    const size_t most = flags.most > 0 ? std::min(room, static_cast<size_t>(flags.most)) : room;
    std::cout << "\x1b[H\x1b[J" << ScreenText(RowsOf(before, now, flags.sort), most) << std::flush;
    if (!std::cout) return 0;
    before = std::move(now);
  }
}

}  // namespace

Command AddTopCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("top", "What running sessions use, anew every two seconds");
  const auto flags = std::make_shared<TopFlags>();
  app->add_flag("--once", flags->once, "Print it once (so it is without a terminal)");
  app->add_flag("--json", flags->as_json, "Once, as a JSON array");
  app->add_option("--deployment", flags->deployment, "Only sessions of this deployment")
      ->type_name("NAME");
  app->add_option("--label", flags->labels, "Only sessions with this label (repeatable)")
      ->type_name("K[=V]")
      ->allow_extra_args(false);
  app->add_option("--sort", flags->sort, "cpu (default), memory, calls or denials")
      ->check(CLI::IsMember({"cpu", "memory", "calls", "denials"}));
  app->add_option("-n", flags->most, "So many sessions at most")->type_name("N");
  app->add_option("--interval", flags->interval, "Seconds between two looks")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.1, 3600.0));
  return {app, [flags] {
            return WithClient([&](const ControlClient& client) {
              const bool once = flags->once || flags->as_json || isatty(STDOUT_FILENO) == 0;
              return once ? Once(client, *flags) : Refresh(client, *flags);
            });
          }};
}

}  // namespace sessionctl

// `sessionctl ps`: the sessions there are.
#include <algorithm>
#include <array>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/store_access.h"

namespace sessionctl {
namespace {

constexpr size_t kCommandWidth = 60;
constexpr size_t kColumns = 7;
using Row = std::array<std::string, kColumns>;

// A command line may hold escape sequences for the terminal of whoever lists it.
std::string Printable(const std::string& text) {
  std::string result = text;
  for (char& c : result) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return result;
}

std::string CommandLine(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  if (line.size() > kCommandWidth) line = line.substr(0, kCommandWidth - 3) + "...";
  return Printable(line);
}

// The code, and the limit that ended the session.
std::string ExitText(const SessionRecord& record) {
  if (!record.exit.has_value()) return "-";
  const std::string code = std::to_string(ShellExitCode(*record.exit));
  const auto ended_it = [&](const SessionLimit& limit) {
    return limit.name == record.exit->reason;
  };
  const bool by_limit = std::any_of(record.limits.begin(), record.limits.end(), ended_it);
  return by_limit ? code + " " + record.exit->reason : code;
}

Row MakeRow(const SessionRecord& record) {
  const bool alive = record.state == SessionState::kRunning && record.process.pid != 0;
  return {record.id,
          record.name.empty() ? "-" : Printable(record.name),
          SessionStateName(record.state),
          ExitText(record),
          alive ? std::to_string(record.process.pid) : "-",
          record.created,
          CommandLine(record.command)};
}

void PrintTable(const std::vector<SessionRecord>& records) {
  std::vector<Row> rows = {{"ID", "NAME", "STATE", "EXIT", "PID", "CREATED", "COMMAND"}};
  for (const SessionRecord& record : records) rows.push_back(MakeRow(record));
  std::array<size_t, kColumns> widths = {};
  for (const Row& row : rows) {
    for (size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    for (size_t i = 0; i + 1 < kColumns; ++i) {
      std::cout << row[i] << std::string(widths[i] - row[i].size() + 2, ' ');
    }
    std::cout << row[kColumns - 1] << "\n";
  }
}

}  // namespace

Command AddPsCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("ps", "List sessions, running and ended");
  const auto as_json = std::make_shared<bool>(false);
  app->add_flag("--json", *as_json, "All that is known of them, as a JSON array");
  return {app, [as_json] {
            return WithStore([as_json](const SessionStore& store) {
              const std::vector<SessionRecord> records = store.List();
              if (*as_json) {
                std::cout << RecordsToJson(records);
              } else {
                PrintTable(records);
              }
              return 0;
            });
          }};
}

}  // namespace sessionctl

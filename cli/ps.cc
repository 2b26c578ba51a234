// `sessionctl ps`: the sessions there are.
#include <algorithm>
#include <array>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/supervisor_access.h"
#include "nlohmann/json.hpp"
#include "supervisor/session_record.h"

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

// One whose record cannot be read is told too: it may live.
Row RowOf(const nlohmann::ordered_json& session) {
  absl::StatusOr<SessionRecord> record = RecordFromJson(session.dump());
  if (record.ok()) return MakeRow(*record);
  const auto member = [&](const char* name) {
    return session.is_object() ? Printable(session.value(name, "-")) : std::string("-");
  };
  return {member("id"), "-", member("state"), "-", "-", "-", member("message")};
}

void PrintTable(const nlohmann::ordered_json& sessions) {
  std::vector<Row> rows = {{"ID", "NAME", "STATE", "EXIT", "PID", "CREATED", "COMMAND"}};
  for (const auto& session : sessions) rows.push_back(RowOf(session));
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
  const auto labels = std::make_shared<std::vector<std::string>>();
  app->add_flag("--json", *as_json, "All that is known of them, as a JSON array");
  app->add_option("--label", *labels, "Only those with this label (repeatable)")
      ->type_name("K[=V]")
      ->allow_extra_args(false);
  return {app, [as_json, labels] {
            return WithClient([&](const ControlClient& client) {
              std::string body;
              const std::string target = "/v1/sessions" + LabelQuery(*labels, "?");
              if (const int failed = Ask(client, "GET", target, "", &body)) return failed;
              if (*as_json) {
                std::cout << body;
              } else {
                PrintTable(nlohmann::ordered_json::parse(body, nullptr, false));
              }
              return 0;
            });
          }};
}

}  // namespace sessionctl

// `sessionctl ps`: the sessions there are.
#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/deployment_access.h"
#include "cli/supervisor_access.h"
#include "cli/table.h"
#include "nlohmann/json.hpp"
#include "supervisor/session_record.h"

namespace sessionctl {
namespace {

constexpr size_t kCommandWidth = 60;
using Row = std::vector<std::string>;

std::string CommandLine(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  if (line.size() > kCommandWidth) line = line.substr(0, kCommandWidth - 3) + "...";
  return PrintableCell(line);
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
          record.name.empty() ? "-" : PrintableCell(record.name),
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
    return session.is_object() ? PrintableCell(session.value(name, "-")) : std::string("-");
  };
  return {member("id"), "-", member("state"), "-", "-", "-", member("message")};
}

int PrintSessions(const nlohmann::ordered_json& sessions) {
  std::vector<Row> rows = {{"ID", "NAME", "STATE", "EXIT", "PID", "CREATED", "COMMAND"}};
  for (const auto& session : sessions) rows.push_back(RowOf(session));
  std::cout << TableText(rows);
  return 0;
}

// The sum of `sessions[].states[name]`; "" for all of them.
int PlacesIn(const nlohmann::ordered_json& deployment, const std::string& state) {
  int sum = 0;
  for (const auto& session : deployment.value("sessions", nlohmann::ordered_json::array())) {
    for (const auto& [name, count] : session.at("states").items()) {
      if (state.empty() || state == name) sum += count.get<int>();
    }
  }
  return sum;
}

int PrintDeployments(const nlohmann::ordered_json& deployments) {
  std::vector<Row> rows = {{"NAME", "VERSION", "PLACES", "RUNNING", "COMPLETED", "MESSAGE"}};
  for (const auto& deployment : deployments) {
    const bool removing = deployment.value("removing", false);
    const std::string message = deployment.value("message", "");
    rows.push_back({deployment.value("name", ""), std::to_string(deployment.value("version", 0)),
                    std::to_string(PlacesIn(deployment, "")),
                    std::to_string(PlacesIn(deployment, "running")),
                    std::to_string(PlacesIn(deployment, "completed")),
                    removing          ? "being removed"
                    : message.empty() ? "-"
                                      : PrintableCell(message)});
  }
  std::cout << TableText(rows);
  return 0;
}

// Each place, also one that has no session.
int PrintPlaces(const nlohmann::ordered_json& deployment) {
  std::vector<Row> rows = {{"SESSION", "REPLICA", "STATE", "RESTARTS", "EXIT", "ID"}};
  for (const auto& place : deployment.value("places", nlohmann::ordered_json::array())) {
    std::string exit = "-";
    if (const auto it = place.find("exit"); it != place.end() && it->is_object()) {
      exit = PrintableCell(it->value("reason", ""));
    }
    const std::string id = place.value("id", "");
    rows.push_back({place.value("session", ""), std::to_string(place.value("replica", 0)),
                    place.value("state", ""), std::to_string(place.value("restarts", 0)), exit,
                    id.empty() ? "-" : id});
  }
  std::cout << TableText(rows);
  return 0;
}

struct PsFlags {
  bool as_json = false, deployments = false;
  std::vector<std::string> labels;
  std::string deployment;
};

int Ps(const ControlClient& client, const PsFlags& flags) {
  std::string target = "/v1/sessions" + LabelQuery(flags.labels, "?");
  if (flags.deployments) target = "/v1/deployments";
  if (!flags.deployment.empty()) target = DeploymentTarget(flags.deployment);
  std::string body;
  if (const int failed = Ask(client, "GET", target, "", &body)) return failed;
  if (flags.as_json) {
    std::cout << body;
    return 0;
  }
  const auto answer = nlohmann::ordered_json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!flags.deployment.empty()) return PrintPlaces(answer);
  return flags.deployments ? PrintDeployments(answer) : PrintSessions(answer);
}

}  // namespace

Command AddPsCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("ps", "List sessions, running and ended");
  const auto flags = std::make_shared<PsFlags>();
  app->add_flag("--json", flags->as_json, "All that is known of them, as JSON");
  app->add_option("--label", flags->labels, "Only those with this label (repeatable)")
      ->type_name("K[=V]")
      ->allow_extra_args(false);
  CLI::Option* one =
      app->add_option("--deployment", flags->deployment, "The places of this deployment")
          ->type_name("NAME");
  app->add_flag("--deployments", flags->deployments, "The deployments there are")->excludes(one);
  return {app, [flags] {
            return WithClient([&](const ControlClient& client) { return Ps(client, *flags); });
          }};
}

}  // namespace sessionctl

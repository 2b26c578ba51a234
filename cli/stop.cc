// `sessionctl stop`: ends sessions, politely first.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/supervisor_access.h"
#include "nlohmann/json.hpp"

namespace sessionctl {
namespace {

constexpr double kMaxTimeoutSeconds = 86400;
constexpr int64_t kGrace =
    25'000;  // ms that the supervisor takes at most to kill what does not end

struct StopFlags {
  std::vector<std::string> references;
  std::optional<double> timeout;
  bool all = false;
  bool as_json = false;
};

// All are asked first, then each is awaited: the time is that of all together.
int Stop(const ControlClient& client, const std::vector<std::string>& references,
         const StopFlags& flags) {
  nlohmann::ordered_json request = {{"wait", false}};
  const auto timeout = static_cast<int64_t>(flags.timeout.value_or(10) * 1000);
  if (flags.timeout.has_value()) request["timeout_ms"] = timeout;
  int exit_code = 0;
  std::vector<std::string> ids;
  for (const std::string& reference : references) {
    std::string body;
    const int failed = Ask(client, "POST", SessionTarget(reference, "stop"), request.dump(), &body);
    if (failed != 0) {
      exit_code = failed;
      continue;
    }
    const auto answer = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
    ids.push_back(answer.value("id", reference));
  }
  const std::string query =
      flags.timeout.has_value() ? "?timeout_ms=" + std::to_string(timeout + kGrace) : "";
  for (const std::string& id : ids) {
    absl::StatusOr<ClientReply> reply = client.Request("GET", SessionTarget(id, "wait") + query);
    if (!reply.ok()) return Fail(kExitOwnFailure, reply.status());
    if (!reply->ok() && reply->code != "unreadable_record") exit_code = FailReply(*reply);
    if (reply->ok() && flags.as_json) PrintJsonLine(reply->body);
  }
  return exit_code;
}

int StopAll(const ControlClient& client, const StopFlags& flags) {
  std::string body;
  if (const int failed = Ask(client, "GET", "/v1/sessions", "", &body)) return failed;
  std::vector<std::string> ids;
  for (const auto& session : nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false)) {
    const std::string state = session.value("state", "");
    const bool unreadable = state == "unreadable" && session.value("alive", false);
    if (state == "starting" || state == "running" || unreadable)
      ids.push_back(session.value("id", ""));
  }
  return Stop(client, ids, flags);
}

int RunStop(const StopFlags& flags) {
  if (flags.all == !flags.references.empty()) {
    return Fail(kExitUsage, "stop: name sessions, or give --all");
  }
  return WithClient([&](const ControlClient& client) {
    return flags.all ? StopAll(client, flags) : Stop(client, flags.references, flags);
  });
}

}  // namespace

Command AddStopCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand(
      "stop", "End sessions: the stop signal to the command, then the whole tree is killed");
  const auto flags = std::make_shared<StopFlags>();
  app->add_option("-t,--timeout", flags->timeout,
                  "Time between the two, for all sessions together (10, or as the session says)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, kMaxTimeoutSeconds));
  app->add_flag("--all", flags->all, "All running sessions");
  app->add_flag("--json", flags->as_json, "Print each session's record when it has ended");
  app->add_option("ID", flags->references, "Ids, beginnings of ids, or names");
  return {app, [flags] { return RunStop(*flags); }};
}

}  // namespace sessionctl

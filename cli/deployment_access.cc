#include "cli/deployment_access.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <iostream>
#include <map>
#include <thread>
#include <utility>

#include "cli/command.h"
#include "cli/program.h"
#include "cli/progress.h"
#include "cli/supervisor_access.h"
#include "fleet/exchange.h"
#include "nlohmann/json.hpp"
#include "policy/policy_parser.h"

namespace sessionctl {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kFirstPause(20);
constexpr std::chrono::milliseconds kLongestPause(250);
constexpr int kMostNamed = 10;

// The places of a deployment, counted by what they come to.
struct Tally {
  int wanted = 0, good = 0, pending = 0, bad = 0;
  std::map<std::string, int> states;
};

bool IsAny(const std::string& state, std::initializer_list<const char*> names) {
  return std::find(names.begin(), names.end(), state) != names.end();
}

Tally Count(const json& deployment) {
  Tally tally;
  for (const json& session : deployment.value("sessions", json::array())) {
    tally.wanted += session.value("replicas", 0);
    const json states = session.value("states", json::object());
    for (const auto& [state, number] : states.items()) {
      const int count = number.get<int>();
      tally.states[state] += count;
      if (IsAny(state, {"running", "completed"})) {
        tally.good += count;
      } else if (IsAny(state, {"waiting", "starting", "stopping"})) {
        tally.pending += count;
      } else {
        tally.bad += count;
      }
    }
  }
  return tally;
}

std::string StatesText(const Tally& tally) {
  std::string text;
  for (const auto& [state, count] : tally.states) {
    if (count > 0) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + state;
  }
  return text;
}

std::string ExitOf(const json& place) {
  const auto exit = place.find("exit");
  if (exit == place.end() || !exit->is_object()) return "";
  const std::string reason = exit->value("reason", "");
  if (const auto signal = exit->find("signal"); signal != exit->end() && signal->is_number()) {
    return ": " + reason + " (signal " + std::to_string(signal->get<int>()) + ")";
  }
  if (const auto code = exit->find("code"); code != exit->end() && code->is_number()) {
    return ": " + reason + " (code " + std::to_string(code->get<int>()) + ")";
  }
  return ": " + reason;
}

int FailBadPlaces(const ControlClient& client, const std::string& name) {
  std::string body;
  if (const int failed = Ask(client, "GET", DeploymentTarget(name), "", &body)) return failed;
  const json deployment = json::parse(body, nullptr, /*allow_exceptions=*/false);
  int named = 0;
  for (const json& place : deployment.value("places", json::array())) {
    const std::string state = place.value("state", "");
    if (!IsAny(state, {"backoff", "failed", "crash-loop", "stopped"})) continue;
    if (++named > kMostNamed) continue;
    Warn(name + "." + place.value("session", "") + "." + std::to_string(place.value("replica", 0)) +
         " (" + place.value("id", "") + "): " + state + ExitOf(place));
  }
  if (named > kMostNamed) Warn("and " + std::to_string(named - kMostNamed) + " more");
  return kExitNotFound;
}

// Asks again and again, also when the supervisor is another one by now, and calls `look` with what
// the answer says (discarded: there is no such deployment) until it returns an exit code.
template <typename Look>
int Poll(const ControlClient& client, const std::string& name, const Look& look) {
  std::chrono::milliseconds pause = kFirstPause;
  for (;;) {
    absl::StatusOr<ClientReply> reply =
        client.Request("GET", DeploymentTarget(name) + "?summary=1");
    if (!reply.ok() && !absl::IsUnavailable(reply.status())) {
      return Fail(kExitOwnFailure, reply.status());
    }
    if (reply.ok() && !reply->ok() && reply->status != 404) return FailReply(*reply);
    if (reply.ok()) {
      const json deployment = reply->ok() ? json::parse(reply->body, nullptr, false) : json();
      if (const std::optional<int> code = look(deployment)) return *code;
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, kLongestPause);
  }
}

int AwaitSettled(const ControlClient& client, const std::string& name) {
  bool bad = false;
  int exit_code = 0;
  {
    Progress progress(name);
    exit_code = Poll(client, name, [&](const json& deployment) -> std::optional<int> {
      if (!deployment.is_object()) {
        progress.Clear();
        return Fail(kExitNotFound, "deployment \"" + name + "\" was removed meanwhile");
      }
      const Tally tally = Count(deployment);
      const std::string message = deployment.value("message", "");
      progress.Show(tally.good, tally.wanted,
                    StatesText(tally) + (message.empty() ? "" : "; " + message));
      if (tally.pending > 0) return std::nullopt;
      bad = tally.bad > 0;
      return 0;
    });
  }
  return bad ? FailBadPlaces(client, name) : exit_code;
}

}  // namespace

absl::StatusOr<Deployment> LoadWithDefault(const std::string& path) {
  absl::StatusOr<Deployment> file = LoadDeploymentFile(path);
  if (!file.ok() || file->name.empty() || !file->policy.extends.empty()) return file;
  absl::StatusOr<SessionPolicy> beneath = LoadProfile("default");
  if (!beneath.ok()) return beneath.status();
  file->policy = MergePolicies(*beneath, file->policy);
  return file;
}

std::string DeploymentTarget(const std::string& name, const std::string& verb) {
  const std::string target = "/v1/deployments/" + PercentEncode(name);
  return verb.empty() ? target : target + "/" + verb;
}

int PrintAppliedAndWait(const ControlClient& client, const std::string& answer, bool as_json,
                        bool wait) {
  const json applied = json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!applied.is_object()) return Fail(kExitOwnFailure, "the supervisor's answer is no JSON");
  std::cout << (as_json ? answer : applied.value("text", "")) << std::flush;
  for (const json& warning : applied.value("warnings", json::array())) {
    Warn(warning.get<std::string>());
  }
  if (!wait || applied.value("dry_run", false)) return 0;
  return AwaitSettled(client, applied.value("name", ""));
}

int AwaitGone(const ControlClient& client, const std::string& name) {
  Progress progress("stopping " + name);
  int most = 0;
  return Poll(client, name, [&](const json& deployment) -> std::optional<int> {
    if (!deployment.is_object()) return 0;
    if (!deployment.value("removing", false)) {
      progress.Clear();
      return Fail(kExitNotFound, "deployment \"" + name + "\" was applied again meanwhile");
    }
    const Tally tally = Count(deployment);
    most = std::max(most, tally.pending);
    progress.Show(most - tally.pending, most, deployment.value("message", ""));
    return std::nullopt;
  });
}

}  // namespace sessionctl

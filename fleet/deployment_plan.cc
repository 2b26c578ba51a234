// PlanDeployment and its text (deployment_plan.h).
#include "fleet/deployment_plan.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "fleet/deployment_places.h"
#include "policy/deployment_policy.h"

namespace sessionctl {
namespace {

// The lines of one [[session]]: replicas with the same action and reason stand together.
class SessionPlan {
 public:
  explicit SessionPlan(std::string session) : session_(std::move(session)) {}

  void Add(PlanAction action, const std::string& reason, int replica) {
    for (PlanLine& line : lines_) {
      if (line.action == action && line.reason == reason) {
        line.replicas.push_back(replica);
        return;
      }
    }
    lines_.push_back({action, session_, {replica}, reason});
  }
  std::vector<PlanLine> TakeLines() { return std::move(lines_); }

 private:
  std::string session_;
  std::vector<PlanLine> lines_;
};

// What became of the place whose last session is `ended`, and why it is started again.
void PlanEnded(const DeploymentSession& session, const std::string& definition,
               const PlacedSession& ended, int replica, SessionPlan* plan) {
  const PlaceState state = StateAfter(session.restart, ended);
  if (ended.place.definition != definition) {
    plan->Add(PlanAction::kStart, "changed since it ended", replica);
  } else if (state == PlaceState::kCompleted) {
    plan->Add(PlanAction::kKeep, "completed", replica);
  } else {
    plan->Add(PlanAction::kStart, absl::StrCat("again: ", PlaceStateName(state)), replica);
  }
}

std::string ReplaceReason(const std::optional<WantedDeployment>& before, const Deployment& after,
                          const DeploymentSession& session) {
  const DeploymentSession* was = before ? FindSession(before->deployment, session.name) : nullptr;
  if (was == nullptr) return "differs from what runs";
  const std::vector<std::string> keys = ChangedKeys(before->deployment, *was, after, session, true);
  return keys.empty() ? "differs from what runs" : absl::StrJoin(keys, ", ");
}

// What changes for the supervisor alone.
std::string UpdateReason(const std::optional<WantedDeployment>& before, const Deployment& after,
                         const DeploymentSession& session) {
  const DeploymentSession* was = before ? FindSession(before->deployment, session.name) : nullptr;
  if (was == nullptr) return "";
  std::vector<std::string> keys = ChangedKeys(before->deployment, *was, after, session, false);
  std::erase(keys, "replicas");
  return absl::StrJoin(keys, ", ");
}

using Places = std::map<PlaceName, PlaceSessions>;

std::vector<PlanLine> PlanSession(const std::optional<WantedDeployment>& before,
                                  const Deployment& after, const DeploymentSession& session,
                                  const Places& places) {
  const std::string definition = DefinitionId(after, session);
  const std::string update = UpdateReason(before, after, session);
  SessionPlan plan(session.name);
  for (int replica = 1; replica <= session.replicas; ++replica) {
    const auto found = places.find({session.name, replica});
    if (found == places.end()) {
      plan.Add(PlanAction::kStart, "", replica);
    } else if (found->second.alive == nullptr) {
      PlanEnded(session, definition, *found->second.ended, replica, &plan);
    } else if (found->second.alive->place.definition != definition) {
      plan.Add(PlanAction::kReplace, ReplaceReason(before, after, session), replica);
    } else {
      plan.Add(update.empty() ? PlanAction::kKeep : PlanAction::kUpdate, update, replica);
    }
  }
  for (const auto& [name, place] : places) {
    const bool more = name.first == session.name && name.second > session.replicas;
    if (more && place.alive != nullptr) plan.Add(PlanAction::kStop, "", name.second);
  }
  return plan.TakeLines();
}

const char* ActionText(PlanAction action) {
  switch (action) {
    case PlanAction::kStart: return "+ start  ";
    case PlanAction::kReplace: return "~ replace";
    case PlanAction::kStop: return "- stop   ";
    case PlanAction::kUpdate: return "~ update ";
    case PlanAction::kKeep: return "= keep   ";
  }
  return "?";
}

}  // namespace

std::vector<PlanLine> PlanDeployment(const std::optional<WantedDeployment>& before,
                                     const Deployment& after,
                                     const std::vector<PlacedSession>& found) {
  const Places places = GroupByPlace(found, DefinitionIds(after));
  std::vector<PlanLine> plan;
  for (const DeploymentSession& session : after.sessions) {
    for (PlanLine& line : PlanSession(before, after, session, places)) {
      plan.push_back(std::move(line));
    }
  }
  std::map<std::string, SessionPlan> gone;
  for (const auto& [name, place] : places) {
    if (place.alive == nullptr || FindSession(after, name.first) != nullptr) continue;
    gone.try_emplace(name.first, name.first)
        .first->second.Add(PlanAction::kStop, "no longer in the file", name.second);
  }
  for (auto& [name, session] : gone) {
    for (PlanLine& line : session.TakeLines()) plan.push_back(std::move(line));
  }
  return plan;
}

std::string RangesText(const std::vector<int>& numbers) {
  std::vector<std::string> ranges;
  for (size_t i = 0; i < numbers.size();) {
    size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    ranges.push_back(last == i ? absl::StrCat(numbers[i])
                               : absl::StrCat(numbers[i], "-", numbers[last]));
    i = last + 1;
  }
  return absl::StrJoin(ranges, ",");
}

std::string PlanText(const std::vector<PlanLine>& plan) {
  std::string text;
  bool idle = true;
  for (const PlanLine& line : plan) {
    idle = idle && line.action == PlanAction::kKeep;
    absl::StrAppendFormat(&text, "%s  %-20s %5d  (%s)%s%s\n", ActionText(line.action), line.session,
                          line.replicas.size(), RangesText(line.replicas),
                          line.reason.empty() ? "" : "  ", line.reason);
  }
  return idle ? absl::StrCat(text, "nothing to do\n") : text;
}

}  // namespace sessionctl

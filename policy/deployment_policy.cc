#include "policy/deployment_policy.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "policy/deployment_keys.h"
#include "policy/policy_keys.h"
#include "policy/policy_parser.h"
#include "policy/toml_text.h"

namespace sessionctl {
namespace {

void AddMount(const Mount& mount, std::vector<Mount>* mounts) {
  const auto same = std::find_if(mounts->begin(), mounts->end(),
                                 [&](const Mount& other) { return other.host == mount.host; });
  if (same == mounts->end()) {
    mounts->push_back(mount);
  } else {
    *same = mount;
  }
}

void ApplyLimits(const DeploymentSession& session, SessionPolicy* policy) {
  const std::vector<PolicyKey<SessionPolicy>> keys = LimitKeys();
  for (const auto& [name, value] : session.limits) {
    for (const PolicyKey<SessionPolicy>& key : keys) {
      if (key.name == name) key.set(policy, value);
    }
  }
}

// FNV-1a with 128 bits. It tells versions of a file that one person writes apart; nobody gains by a
// collision, so it need not resist making one.
class Fingerprint {
 public:
  void Add(const std::string& text) {
    for (const char c : absl::StrCat(text.size(), ":", text)) {
      value_ = (value_ ^ static_cast<unsigned char>(c)) * kPrime;
    }
  }
  std::string Hex() const {
    return absl::StrFormat("%016x%016x", static_cast<uint64_t>(value_ >> 64),
                           static_cast<uint64_t>(value_));
  }

 private:
  using Wide = unsigned __int128;
  static constexpr Wide kPrime = (Wide{1} << 88) + 0x13b;
  Wide value_ = (Wide{0x6c62272e07bb0142} << 64) + 0x62b821756295c58d;
};

std::string MountsText(const SessionPolicy& policy) {
  std::string text;
  for (const Mount& mount : policy.mounts) {
    absl::StrAppend(&text, TomlEntries(MountKeys(), "", mount), "\n");
  }
  return text;
}

void AppendChangedPolicyKeys(const SessionPolicy& was, const SessionPolicy& is,
                             std::vector<std::string>* changed) {
  for (const PolicyKey<SessionPolicy>& key : PolicyKeys()) {
    if (key.name == "extends" || key.get(was) == key.get(is)) continue;
    changed->push_back(key.section.empty() ? key.name : absl::StrCat(key.section, ".", key.name));
  }
  if (MountsText(was) != MountsText(is)) changed->emplace_back("mount");
}

std::string SessionToToml(const DeploymentSession& session) {
  std::string text =
      absl::StrCat("\n[[session]]\n", TomlEntries(DeploymentSessionKeys(), "", session));
  const std::string ready = TomlEntries(DeploymentSessionKeys(), "ready", session);
  if (!ready.empty()) absl::StrAppend(&text, "\n[session.ready]\n", ready);
  if (!session.limits.empty()) absl::StrAppend(&text, "\n[session.limits]\n");
  for (const auto& [name, value] : session.limits) {
    absl::StrAppend(&text, name, " = ", TomlText(value), "\n");
  }
  for (const Mount& mount : session.mounts) {
    absl::StrAppend(&text, "\n[[session.mount]]\n", TomlEntries(MountKeys(), "", mount));
  }
  return text;
}

}  // namespace

const DeploymentSession* FindSession(const Deployment& deployment, const std::string& name) {
  for (const DeploymentSession& session : deployment.sessions) {
    if (session.name == name) return &session;
  }
  return nullptr;
}

std::map<std::string, std::string> LabelsOf(const Deployment& deployment,
                                            const DeploymentSession& session) {
  std::map<std::string, std::string> labels = deployment.labels;
  for (const auto& [name, value] : session.labels) labels[name] = value;
  return labels;
}

std::string ExpandReplica(std::string text, const Deployment& deployment, int replica) {
  if (replica > 0) absl::StrReplaceAll({{"{replica}", absl::StrCat(replica)}}, &text);
  absl::StrReplaceAll({{"{deployment}", deployment.name}}, &text);
  return text;
}

SessionPolicy PolicyOf(const Deployment& deployment, const DeploymentSession& session,
                       int replica) {
  SessionPolicy policy = deployment.policy;
  policy.extends.clear();
  for (const Mount& mount : session.mounts) AddMount(mount, &policy.mounts);
  for (Mount& mount : policy.mounts) {
    mount.host = ExpandReplica(mount.host, deployment, replica);
    mount.guest = ExpandReplica(mount.guest, deployment, replica);
  }
  ApplyLimits(session, &policy);
  if (std::optional<std::string>& directory = policy.process.working_directory; directory) {
    directory = ExpandReplica(*directory, deployment, replica);
  }
  for (const auto& [name, value] : session.environment) {
    policy.environment.set[name] = ExpandReplica(value, deployment, replica);
  }
  return policy;
}

std::string DefinitionId(const Deployment& deployment, const DeploymentSession& session) {
  DeploymentSession started = session;
  started.labels = LabelsOf(deployment, session);
  Fingerprint fingerprint;
  fingerprint.Add(PolicyToToml(PolicyOf(deployment, session, 0)));
  for (const PolicyKey<DeploymentSession>& key : DeploymentSessionKeys()) {
    if (!IsDefinitionKey(key)) continue;
    fingerprint.Add(key.name);
    fingerprint.Add(TomlText(key.get(started)));
  }
  return fingerprint.Hex();
}

std::vector<std::string> ChangedKeys(const Deployment& before, const DeploymentSession& was,
                                     const Deployment& after, const DeploymentSession& is,
                                     bool replaces) {
  std::vector<std::string> changed;
  for (const PolicyKey<DeploymentSession>& key : DeploymentSessionKeys()) {
    if (IsDefinitionKey(key) != replaces || key.name == "environment") continue;
    DeploymentSession old_session = was;
    DeploymentSession new_session = is;
    old_session.labels = LabelsOf(before, was);
    new_session.labels = LabelsOf(after, is);
    if (key.get(old_session) == key.get(new_session)) continue;
    changed.push_back(key.section.empty() ? key.name : absl::StrCat(key.section, ".", key.name));
  }
  if (replaces) AppendChangedPolicyKeys(PolicyOf(before, was, 0), PolicyOf(after, is, 0), &changed);
  return changed;
}

std::string DeploymentToToml(const Deployment& deployment) {
  std::string text = PolicyToToml(deployment.policy);
  if (deployment.name.empty()) return text;
  absl::StrAppend(&text, "\n[deployment]\n",
                  TomlEntries(DeploymentKeys(), "deployment", deployment));
  for (const DeploymentSession& session : deployment.sessions) {
    absl::StrAppend(&text, SessionToToml(session));
  }
  return text;
}

}  // namespace sessionctl

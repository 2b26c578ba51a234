#include "policy/deployment_parser.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "policy/deployment_keys.h"

namespace sessionctl {
namespace {

using SessionKeyList = std::vector<PolicyKey<DeploymentSession>>;

SessionKeyList SessionKeysOf(const std::string& section) {
  SessionKeyList keys;
  for (const PolicyKey<DeploymentSession>& key : DeploymentSessionKeys()) {
    if (key.section == section) keys.push_back(key);
  }
  return keys;
}

absl::Status ExpectTable(const ValueReader& reader, const toml::node& node,
                         const std::string& name) {
  if (node.is_table()) return absl::OkStatus();
  return reader.Error(node, name, absl::StrCat("expected a table, written [", name, "]"));
}

// [session.ready]: one probe, not two.
absl::Status ReadReady(const ValueReader& reader, const toml::node& node,
                       DeploymentSession* session) {
  if (absl::Status status = ExpectTable(reader, node, "session.ready"); !status.ok()) return status;
  absl::Status status =
      ApplyEntries(reader, "session.ready.", *node.as_table(), SessionKeysOf("ready"), session);
  if (!status.ok()) return status;
  if (node.as_table()->size() == 1) return absl::OkStatus();
  return reader.Error(node, "session.ready", "give one of file, output");
}

// [session.limits]: kept as written, since they win over the file's own even with a default value.
absl::Status ReadLimits(const ValueReader& reader, const toml::node& node,
                        DeploymentSession* session) {
  if (absl::Status status = ExpectTable(reader, node, "session.limits"); !status.ok()) {
    return status;
  }
  const std::vector<PolicyKey<SessionPolicy>> keys = LimitKeys();
  for (const auto& [entry, value] : *node.as_table()) {
    SessionPolicy checked;
    absl::Status status = ApplyEntry(reader, "session.limits.", entry, value, keys, "", &checked);
    if (!status.ok()) return status;
    const std::string name(entry.str());
    session->limits.emplace_back(name, FindKey(keys, name)->get(checked));
  }
  return absl::OkStatus();
}

absl::Status ReadEntry(const ValueReader& reader, const toml::key& entry, const toml::node& node,
                       DeploymentSession* session) {
  const std::string name(entry.str());
  if (name == "ready") return ReadReady(reader, node, session);
  if (name == "limits") return ReadLimits(reader, node, session);
  if (name == "mount") return ReadMounts(reader, "session.mount", node, &session->mounts);
  static const auto* const keys = new SessionKeyList(SessionKeysOf(""));
  return ApplyEntry(reader, "session.", entry, node, *keys, ", ready, limits, mount", session);
}

absl::Status CheckSession(const ValueReader& reader, const toml::table& table,
                          const DeploymentSession& session) {
  if (absl::Status status = CheckRequired(reader, "session.", table, SessionKeysOf(""));
      !status.ok()) {
    return status;
  }
  if (session.command.empty() || session.command[0].empty()) {
    return reader.Error(*table.get("command"), "session.command", "names no program");
  }
  if (session.restart.delay > session.restart.delay_max) {
    return reader.Error(table, "session.restart_delay", "is longer than restart_delay_max");
  }
  return absl::OkStatus();
}

absl::Status ReadSession(const ValueReader& reader, const toml::node& node,
                         Deployment* deployment) {
  if (!node.is_table()) {
    return reader.Error(node, "session", "expected a table, written [[session]]");
  }
  const toml::table& table = *node.as_table();
  DeploymentSession session;
  for (const auto& [entry, value] : table) {
    if (absl::Status status = ReadEntry(reader, entry, value, &session); !status.ok()) {
      return status;
    }
  }
  if (absl::Status status = CheckSession(reader, table, session); !status.ok()) return status;
  for (const DeploymentSession& other : deployment->sessions) {
    if (other.name == session.name) {
      return reader.Error(*table.get("name"), "session.name",
                          absl::StrCat("there is another session \"", session.name, "\""));
    }
  }
  session.where = {reader.source(), static_cast<int>(node.source().begin.line),
                   static_cast<int>(node.source().begin.column)};
  deployment->sessions.push_back(std::move(session));
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadDeployment(const ValueReader& reader, const toml::node& node,
                            Deployment* deployment) {
  if (absl::Status status = ExpectTable(reader, node, "deployment"); !status.ok()) return status;
  const toml::table& table = *node.as_table();
  absl::Status status = ApplyEntries(reader, "deployment.", table, DeploymentKeys(), deployment);
  if (!status.ok()) return status;
  return CheckRequired(reader, "deployment.", table, DeploymentKeys());
}

absl::Status ReadSessions(const ValueReader& reader, const toml::node& node,
                          Deployment* deployment) {
  if (!node.is_array()) {
    return reader.Error(node, "session", "expected a list of tables, written [[session]]");
  }
  for (const toml::node& item : *node.as_array()) {
    if (absl::Status status = ReadSession(reader, item, deployment); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckDeployment(const ValueReader& reader, const toml::table& table,
                             const Deployment& deployment) {
  const toml::node* const named = table.get("deployment");
  const toml::node* const sessions = table.get("session");
  if (named != nullptr && deployment.sessions.empty()) {
    return reader.Error(*named, "deployment", "has no [[session]]");
  }
  if (sessions != nullptr && named == nullptr) {
    return reader.Error(*sessions, "session", "needs a [deployment] with a name");
  }
  int64_t replicas = 0;
  for (const DeploymentSession& session : deployment.sessions) replicas += session.replicas;
  if (replicas <= kMaxReplicas) return absl::OkStatus();
  return reader.Error(*sessions, "session.replicas",
                      absl::StrCat(replicas, " sessions in all are more than ", kMaxReplicas));
}

}  // namespace sessionctl

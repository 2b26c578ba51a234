#include "policy/policy_parser.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "policy/deployment_parser.h"
#include "policy/policy_keys.h"
#include "policy/policy_source.h"
#include "policy/toml_reader.h"

namespace sessionctl {
namespace {

constexpr size_t kMaxExtendsDepth = 16;

// Applies a file and what it extends, one after the other, onto one policy.
class PolicyBuilder {
 public:
  absl::Status ApplyText(const std::string& text, const std::string& source);

  SessionPolicy policy;
  Deployment deployment;  // without its policy

 private:
  absl::Status ApplyTable(const toml::table& table, const std::string& source);
  absl::Status ApplyExtends(const toml::node& node, const std::string& source);
  absl::Status ApplyExtended(const toml::node& node, const std::string& name,
                             const std::string& source);
  absl::Status ApplySection(const ValueReader& reader, const std::string& section,
                            const toml::node& node);
  absl::Status ApplyDeployment(const ValueReader& reader, const toml::key& entry,
                               const toml::node& node);
  absl::Status ApplyTopLevel(const ValueReader& reader, const toml::key& entry,
                             const toml::node& node);

  std::vector<std::string> being_applied_;  // from the first file down to this one
  std::set<std::string> applied_;
};

// Only what belongs to `section`.
std::vector<PolicyKey<SessionPolicy>> KeysOf(const std::string& section) {
  std::vector<PolicyKey<SessionPolicy>> keys;
  for (const PolicyKey<SessionPolicy>& key : PolicyKeys()) {
    if (key.section == section) keys.push_back(key);
  }
  return keys;
}

absl::Status PolicyBuilder::ApplySection(const ValueReader& reader, const std::string& section,
                                         const toml::node& node) {
  if (!node.is_table()) {
    return reader.Error(node, section, absl::StrCat("expected a table, written [", section, "]"));
  }
  return ApplyEntries(reader, section + ".", *node.as_table(), KeysOf(section), &policy);
}

absl::Status PolicyBuilder::ApplyExtended(const toml::node& node, const std::string& name,
                                          const std::string& source) {
  absl::StatusOr<NamedText> found = FindExtended(name, source);
  if (!found.ok()) {
    return absl::Status(found.status().code(), ErrorAt(source, node.source().begin, "extends",
                                                       std::string(found.status().message()))
                                                   .message());
  }
  const auto error = [&](const std::string& what) {
    return ErrorAt(source, node.source().begin, "extends", what);
  };
  if (std::find(being_applied_.begin(), being_applied_.end(), found->source) !=
      being_applied_.end()) {
    return error(
        absl::StrCat("a cycle: ", absl::StrJoin(being_applied_, " -> "), " -> ", found->source));
  }
  if (being_applied_.size() > kMaxExtendsDepth) {
    return error(absl::StrCat("more than ", kMaxExtendsDepth, " levels deep"));
  }
  return ApplyText(found->text, found->source);
}

absl::Status PolicyBuilder::ApplyExtends(const toml::node& node, const std::string& source) {
  const ValueReader reader(source);
  const PolicyKey<SessionPolicy>* key = FindKey(PolicyKeys(), "extends");
  absl::StatusOr<KeyValue> names = reader.Read(node, ShapeOf(*key), "extends");
  if (!names.ok()) return names.status();
  const toml::array& array = *node.as_array();
  for (size_t i = 0; i < array.size(); ++i) {
    const std::string& name = std::get<std::vector<std::string>>(*names)[i];
    if (absl::Status status = ApplyExtended(array[i], name, source); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// A deployment is what its own file says; an extended file is a policy to start from.
absl::Status PolicyBuilder::ApplyDeployment(const ValueReader& reader, const toml::key& entry,
                                            const toml::node& node) {
  const std::string name(entry.str());
  if (being_applied_.size() > 1) {
    return reader.Error(entry, name, "a file that another one extends is no deployment");
  }
  if (name == "deployment") return ReadDeployment(reader, node, &deployment);
  return ReadSessions(reader, node, &deployment);
}

absl::Status PolicyBuilder::ApplyTopLevel(const ValueReader& reader, const toml::key& entry,
                                          const toml::node& node) {
  const std::vector<std::string>& sections = PolicySections();
  const std::string name(entry.str());
  if (name == "mount") return ReadMounts(reader, name, node, &policy.mounts);
  if (name == "deployment" || name == "session") return ApplyDeployment(reader, entry, node);
  if (!name.empty() && std::find(sections.begin(), sections.end(), name) != sections.end()) {
    return ApplySection(reader, name, node);
  }
  const std::string others =
      absl::StrCat(", mount, deployment, session", absl::StrJoin(sections, ", "));
  return ApplyEntry(reader, "", entry, node, KeysOf(""), others, &policy);
}

absl::Status PolicyBuilder::ApplyTable(const toml::table& table, const std::string& source) {
  const ValueReader reader(source);
  if (const toml::node* extends = table.get("extends"); extends != nullptr) {
    if (absl::Status status = ApplyExtends(*extends, source); !status.ok()) return status;
  }
  policy.extends.clear();
  for (const auto& [entry, node] : table) {
    if (absl::Status status = ApplyTopLevel(reader, entry, node); !status.ok()) return status;
  }
  return being_applied_.size() > 1 ? absl::OkStatus() : CheckDeployment(reader, table, deployment);
}

absl::Status PolicyBuilder::ApplyText(const std::string& text, const std::string& source) {
  if (text.size() > kMaxPolicyBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(source, ":1:1: file: larger than 1 MiB (", text.size(), " bytes)"));
  }
  if (!applied_.insert(source).second) return absl::OkStatus();
  being_applied_.push_back(source);
  absl::Status status;
  try {
    status = ApplyTable(toml::parse(text, source), source);
  } catch (const toml::parse_error& error) {
    status = ErrorAt(source, error.source().begin, "syntax",
                     absl::Utf8SafeCEscape(std::string(error.description())));
  }
  being_applied_.pop_back();
  return status;
}

}  // namespace

absl::StatusOr<SessionPolicy> ParsePolicy(const std::string& text, const std::string& source) {
  PolicyBuilder builder;
  if (absl::Status status = builder.ApplyText(text, source); !status.ok()) return status;
  return std::move(builder.policy);
}

absl::StatusOr<Deployment> ParseDeployment(const std::string& text, const std::string& source) {
  PolicyBuilder builder;
  if (absl::Status status = builder.ApplyText(text, source); !status.ok()) return status;
  builder.deployment.policy = std::move(builder.policy);
  return std::move(builder.deployment);
}

absl::StatusOr<SessionPolicy> LoadPolicyFile(const std::string& path) {
  absl::StatusOr<std::string> text = ReadPolicyFile(path);
  if (!text.ok()) return text.status();
  return ParsePolicy(*text, path);
}

absl::StatusOr<Deployment> LoadDeploymentFile(const std::string& path) {
  absl::StatusOr<std::string> text = ReadPolicyFile(path);
  if (!text.ok()) return text.status();
  return ParseDeployment(*text, path);
}

absl::StatusOr<SessionPolicy> LoadProfile(const std::string& name) {
  absl::StatusOr<NamedText> profile = FindProfile(name);
  if (!profile.ok()) return profile.status();
  return ParsePolicy(profile->text, profile->source);
}

}  // namespace sessionctl

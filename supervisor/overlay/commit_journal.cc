#include "supervisor/overlay/commit_journal.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "sandbox/safe_file.h"

namespace sessionctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFormat = 1;
constexpr size_t kMaxJournal = size_t{1} << 30;

constexpr std::array<std::pair<StepKind, const char*>, 4> kStepNames = {
    {{StepKind::kAdd, "add"},
     {StepKind::kReplace, "replace"},
     {StepKind::kRemove, "remove"},
     {StepKind::kAttributes, "attributes"}}};
constexpr std::array<std::pair<CommitState, const char*>, 4> kStateNames = {
    {{CommitState::kStaging, "staging"},
     {CommitState::kApplying, "applying"},
     {CommitState::kUndoing, "undoing"},
     {CommitState::kCleaning, "cleaning"}}};

template <typename Names, typename Value>
const char* NameOf(const Names& names, Value value) {
  for (const auto& [each, name] : names) {
    if (each == value) return name;
  }
  return "";
}

template <typename Names>
auto ValueOf(const Names& names, const std::string& wanted) {
  for (const auto& [each, name] : names) {
    if (name == wanted) return each;
  }
  throw std::invalid_argument("unknown word: " + wanted);
}

Json TimeToJson(const timespec& time) { return {time.tv_sec, time.tv_nsec}; }
timespec TimeFromJson(const Json& json) {
  return {json.at(0).get<time_t>(), json.at(1).get<long>()};
}

Json AttributesToJson(const ObjectAttributes& attributes) {
  Json extended = Json::object();
  for (const auto& [name, value] : attributes.attributes) {
    extended[absl::Base64Escape(name)] = absl::Base64Escape(value);
  }
  return {{"mode", attributes.mode},
          {"uid", attributes.uid},
          {"gid", attributes.gid},
          {"accessed", TimeToJson(attributes.accessed)},
          {"modified", TimeToJson(attributes.modified)},
          {"attributes", std::move(extended)}};
}

std::string Decoded(const std::string& base64) {
  std::string bytes;
  if (!absl::Base64Unescape(base64, &bytes)) throw std::invalid_argument("no base64: " + base64);
  return bytes;
}

ObjectAttributes AttributesFromJson(const Json& json) {
  ObjectAttributes attributes = {.mode = json.at("mode").get<mode_t>(),
                                 .uid = json.at("uid").get<uid_t>(),
                                 .gid = json.at("gid").get<gid_t>(),
                                 .accessed = TimeFromJson(json.at("accessed")),
                                 .modified = TimeFromJson(json.at("modified"))};
  for (const auto& [name, value] : json.at("attributes").items()) {
    attributes.attributes.emplace(Decoded(name), Decoded(value.get<std::string>()));
  }
  return attributes;
}

Json StepToJson(const CommitStep& step) {
  Json json = {{"step", NameOf(kStepNames, step.kind)},
               {"path", absl::Base64Escape(step.path)},
               {"staged", step.staged},
               {"before", step.before},
               {"after", step.after}};
  if (step.kind != StepKind::kAttributes) return json;
  json["times"] = step.times;
  json["old"] = AttributesToJson(step.old);
  json["wanted"] = AttributesToJson(step.wanted);
  return json;
}

CommitStep StepFromJson(const Json& json) {
  CommitStep step = {.kind = ValueOf(kStepNames, json.at("step").get<std::string>()),
                     .path = Decoded(json.at("path").get<std::string>()),
                     .staged = json.at("staged").get<std::string>(),
                     .before = json.at("before").get<uint64_t>(),
                     .after = json.at("after").get<uint64_t>()};
  if (step.kind != StepKind::kAttributes) return step;
  step.times = json.at("times").get<bool>();
  step.old = AttributesFromJson(json.at("old"));
  step.wanted = AttributesFromJson(json.at("wanted"));
  return step;
}

CommitJournal JournalFromJson(const Json& json) {
  CommitJournal journal = {.state = ValueOf(kStateNames, json.at("state").get<std::string>()),
                           .device = json.at("device").get<uint64_t>(),
                           .inode = json.at("inode").get<uint64_t>(),
                           .staging = json.at("staging").get<std::string>(),
                           .staging_inode = json.at("staging_inode").get<uint64_t>(),
                           .since = TimeFromJson(json.at("since")),
                           .empties_layer = json.at("empties_layer").get<bool>()};
  for (const Json& step : json.at("steps")) journal.steps.push_back(StepFromJson(step));
  return journal;
}

absl::Status JournalError(int error, const char* what) {
  return absl::InternalError(absl::StrCat(what, " the commit's journal: ", strerror(error)));
}

}  // namespace

std::string CommitJournalToJson(const CommitJournal& journal) {
  Json steps = Json::array();
  for (const CommitStep& step : journal.steps) steps.push_back(StepToJson(step));
  const Json json = {{"format", kFormat},
                     {"state", NameOf(kStateNames, journal.state)},
                     {"device", journal.device},
                     {"inode", journal.inode},
                     {"staging", journal.staging},
                     {"staging_inode", journal.staging_inode},
                     {"since", TimeToJson(journal.since)},
                     {"empties_layer", journal.empties_layer},
                     {"steps", std::move(steps)}};
  return json.dump() + "\n";
}

absl::StatusOr<CommitJournal> CommitJournalFromJson(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    if (json.at("format").get<int>() > kFormat) {
      return absl::UnimplementedError("the commit's journal was written by a later version");
    }
    return JournalFromJson(json);
  } catch (const std::exception& error) {
    return absl::DataLossError(absl::StrCat("the commit's journal: ", error.what()));
  }
}

absl::Status WriteCommitJournal(int directory, const CommitJournal& journal) {
  const SysStatus written =
      WriteFileAtomically(directory, kCommitJournalFile, CommitJournalToJson(journal), 0600);
  return written.ok() ? absl::OkStatus() : JournalError(written.error(), "cannot write");
}

absl::StatusOr<CommitJournal> ReadCommitJournal(int directory) {
  SysResult<std::string> text = ReadFileBeneath(directory, kCommitJournalFile, kMaxJournal);
  if (text.error() == ENOENT) return absl::NotFoundError("no commit was interrupted");
  if (!text.ok()) return JournalError(text.error(), "cannot read");
  return CommitJournalFromJson(*text);
}

absl::Status RemoveCommitJournal(int directory) {
  if (unlinkat(directory, kCommitJournalFile, 0) != 0 && errno != ENOENT) {
    return JournalError(errno, "cannot remove");
  }
  return fsync(directory) == 0 ? absl::OkStatus() : JournalError(errno, "cannot sync");
}

}  // namespace sessionctl

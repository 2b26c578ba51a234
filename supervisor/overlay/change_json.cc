#include "supervisor/overlay/change_json.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "supervisor/overlay/quoted_path.h"

namespace sessionctl {
namespace {

using Json = nlohmann::ordered_json;

// As everywhere in the control API.
Json Bytes(const std::string& bytes) {
  if (IsUtf8(bytes)) return bytes;
  return {{"base64", absl::Base64Escape(bytes)}};
}

Json EntryToJson(const LayerEntry& entry) {
  Json json = {{"type", EntryTypeName(entry.mode)},
               {"mode", absl::StrFormat("%04o", entry.mode & 07777)},
               {"uid", entry.uid},
               {"gid", entry.gid}};
  if (entry.IsRegular()) json["size"] = entry.size;
  if (entry.IsLink()) json["target"] = Bytes(entry.target);
  return json;
}

Json Differences(const OverlayChange& change) {
  Json names = Json::array();
  if (change.type) names.push_back("type");
  if (change.content) names.push_back("content");
  if (change.mode) names.push_back("mode");
  if (change.owner) names.push_back("owner");
  if (change.times) names.push_back("times");
  if (change.attributes) names.push_back("attributes");
  return names;
}

}  // namespace

Json ChangeToJson(const OverlayChange& change, const std::string& guest) {
  const auto place = [&guest](const std::string& path) {
    return absl::StrCat(guest, guest == "/" ? "" : "/", path);
  };
  const bool renamed = !change.renamed.empty() && change.kind != ChangeKind::kDeleted;
  Json json = {{"change", renamed ? "renamed" : ChangeKindName(change.kind)}};
  json["path"] = Bytes(place(change.path));
  if (renamed) {
    json["from"] = Bytes(place(change.renamed));
    json["known_by"] = change.renamed_by_identity ? "identity" : "content";
  }
  if (change.before && change.after) json["differs"] = Differences(change);
  if (change.before) json["before"] = EntryToJson(*change.before);
  if (change.after) json["after"] = EntryToJson(*change.after);
  if (!change.same_file.empty()) json["same_file"] = Bytes(place(change.same_file));
  if (!change.conflict.empty()) json["conflict"] = change.conflict;
  return json;
}

Json CountsToJson(const ChangeCounts& counts) {
  return {{"added", counts.added},       {"modified", counts.modified},
          {"deleted", counts.deleted},   {"renamed", counts.renamed},
          {"metadata", counts.metadata}, {"conflicts", counts.conflicts}};
}

}  // namespace sessionctl

// `sessionctl diff`, `commit`, `discard`: what a session has changed in its overlays.
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/supervisor_access.h"
#include "fleet/spawn_spec.h"
#include "nlohmann/json.hpp"

namespace sessionctl {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr char kReferenceHelp[] = "Id, beginning of an id, or name";

struct DiffFlags {
  std::string reference;
  bool as_json = false, stat = false, names = false;
};

int Diff(const ControlClient& client, const DiffFlags& flags) {
  const char* format = flags.as_json ? "json"
                       : flags.stat  ? "stat"
                       : flags.names ? "names"
                                     : "patch";
  const std::string target = SessionTarget(flags.reference, "changes") + "?format=" + format;
  std::string body;
  const int failed = AskUntilAnswered(client, "GET", target, "", &body);
  std::cout << body;
  return failed;
}

struct CommitFlags {
  std::string reference;
  std::vector<std::string> paths;
  bool dry_run = false, force = false, keep_privileges = false, as_json = false;
};

std::string CommitRequest(const CommitFlags& flags) {
  ordered_json request = {{"dry_run", flags.dry_run},
                          {"force", flags.force},
                          {"keep_privileges", flags.keep_privileges}};
  if (!flags.paths.empty()) {
    request["paths"] = ordered_json::array();
    for (const std::string& path : flags.paths) request["paths"].push_back(BytesToJson(path));
  }
  return request.dump();
}

// "/mnt/data: 2 added, 1 modified", or that nothing was.
std::string SummaryLine(const json& mount) {
  std::string line;
  for (const char* what : {"added", "modified", "deleted", "renamed", "metadata"}) {
    const auto count = mount["summary"].value(what, 0);
    if (count > 0) line += (line.empty() ? "" : ", ") + std::to_string(count) + " " + what;
  }
  return mount.value("guest", "") + ": " + (line.empty() ? "no changes" : line);
}

// What stands in the way, or is left out; its path may have any bytes but is shown as JSON has it.
void PrintNotes(const json& notes, const char* kind) {
  for (const json& note : notes) {
    const json& path = note["path"];
    std::cerr << "sessionctl: " << kind
              << path.dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace) << ": "
              << note.value("message", "") << "\n";
  }
}

int Commit(const ControlClient& client, const CommitFlags& flags) {
  std::string body;
  const int failed = AskUntilAnswered(client, "POST", SessionTarget(flags.reference, "commit"),
                                      CommitRequest(flags), &body);
  if (failed != 0) return failed;
  const json answer = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object()) return Fail(kExitOwnFailure, "the supervisor's answer is no JSON");
  bool conflicts = false;
  for (const json& mount : answer["mounts"]) {
    conflicts = conflicts || !mount["conflicts"].empty();
    if (flags.as_json) continue;
    PrintNotes(mount["conflicts"], "conflict at ");
    PrintNotes(mount["notes"], "");
    std::cout << SummaryLine(mount) << "\n";
  }
  if (flags.as_json) std::cout << body;
  // A dry run says what a commit would: that it would be refused, too.
  return flags.dry_run && conflicts && !flags.force ? 1 : 0;
}

}  // namespace

Command AddDiffCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("diff", "Show what a session has changed in its overlays");
  const auto flags = std::make_shared<DiffFlags>();
  app->add_option("ID", flags->reference, kReferenceHelp)->required();
  CLI::Option* stat = app->add_flag("--stat", flags->stat, "Lines that came and went, by file");
  CLI::Option* names =
      app->add_flag("--name-status", flags->names, "Names only, and what became of them");
  app->add_flag("--json", flags->as_json, "Everything that is known of each change")
      ->excludes(stat)
      ->excludes(names);
  stat->excludes(names);
  return {app, [flags] {
            return WithClient([&](const ControlClient& client) { return Diff(client, *flags); });
          }};
}

Command AddCommitCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand(
      "commit",
      "Bring what an ended session has changed in its overlays into the directories below");
  const auto flags = std::make_shared<CommitFlags>();
  app->add_option("ID", flags->reference, kReferenceHelp)->required();
  app->add_option("PATH", flags->paths, "Only what is at or below these, as the session saw them");
  app->add_flag("--dry-run", flags->dry_run, "Say what would be done, and what stands in the way");
  app->add_flag("--force", flags->force,
                "Also over what was changed below since the session began");
  app->add_flag("--keep-privileges", flags->keep_privileges,
                "Keep set-user-ID and set-group-ID bits and file capabilities");
  app->add_flag("--json", flags->as_json, "Print the answer as JSON");
  return {app, [flags] {
            return WithClient([&](const ControlClient& client) { return Commit(client, *flags); });
          }};
}

Command AddDiscardCommand(CLI::App& root) {
  CLI::App* app =
      root.add_subcommand("discard", "Forget what an ended session has changed in its overlays");
  const auto reference = std::make_shared<std::string>();
  app->add_option("ID", *reference, kReferenceHelp)->required();
  return {app, [reference] {
            return WithClient([&](const ControlClient& client) {
              return AskUntilAnswered(client, "POST", SessionTarget(*reference, "discard"), "",
                                      nullptr);
            });
          }};
}

}  // namespace sessionctl

// `sessionctl inspect`: one session's record.
#include <iostream>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/store_access.h"

namespace sessionctl {
namespace {

int Inspect(const SessionStore& store, const std::string& id) {
  absl::StatusOr<SessionDirectory> session = store.Find(id);
  if (!session.ok()) return Fail(kExitNotFound, session.status());
  absl::StatusOr<SessionRecord> record = session->CurrentRecord();
  if (!record.ok()) return Fail(kExitOwnFailure, record.status());
  std::cout << RecordToJson(*record);
  return 0;
}

}  // namespace

Command AddInspectCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("inspect", "Print what is known of a session, as JSON");
  const auto reference = std::make_shared<std::string>();
  app->add_option("ID", *reference, "Id, beginning of an id, or name")->required();
  return {app, [reference] {
            return WithSessions({*reference}, [](const SessionStore& store, const auto& ids) {
              return Inspect(store, ids[0]);
            });
          }};
}

}  // namespace sessionctl

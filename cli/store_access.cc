#include "cli/store_access.h"

#include "cli/command.h"

namespace sessionctl {

int WithStore(const std::function<int(const SessionStore&)>& action) {
  absl::StatusOr<SessionStore> store = SessionStore::OpenDefault();
  return store.ok() ? action(*store) : Fail(kExitOwnFailure, store.status());
}

int WithSessions(
    const std::vector<std::string>& references,
    const std::function<int(const SessionStore&, const std::vector<std::string>& ids)>& action) {
  return WithStore([&](const SessionStore& store) {
    std::vector<std::string> ids;
    for (const std::string& reference : references) {
      absl::StatusOr<std::string> id = store.Resolve(reference);
      if (!id.ok()) return Fail(kExitNotFound, id.status());
      ids.push_back(*std::move(id));
    }
    return action(store, ids);
  });
}

}  // namespace sessionctl

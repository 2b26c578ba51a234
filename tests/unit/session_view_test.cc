// What a broker holds of its session, apart from resolving paths in it (path_resolver_test).
#include "supervisor/mediator/session_view.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/policy_compiler.h"

namespace sessionctl {
namespace {

struct stat OwnedBy(uid_t user) {
  struct stat info = {};
  info.st_uid = user;
  return info;
}

struct Namespace {
  const char* name;
  bool as_user;
  IpcPlan ipc;
  bool others_look_alike;
};

class SessionViewOwnerTest : public ::testing::TestWithParam<Namespace> {
 protected:
  SessionViewOwnerTest() {
    policy_.view.as_user = GetParam().as_user;
    policy_.ipc = GetParam().ipc;
  }
  static constexpr uid_t kOther = 4321, kOverflow = 65534;
  CompiledPolicy policy_;
};

INSTANTIATE_TEST_SUITE_P(Namespaces, SessionViewOwnerTest,
                         ::testing::Values(Namespace{"TheHosts", false, IpcPlan::kNamespace, false},
                                           Namespace{"OfTheView", true, IpcPlan::kNamespace, true},
                                           Namespace{"OfIpc", false, IpcPlan::kUserNamespace,
                                                     true}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(SessionViewOwnerTest, OneUserIsKnownAsSuchWhereIdsTellThem) {
  absl::StatusOr<SessionView> view = SessionView::Create(policy_);
  ASSERT_TRUE(view.ok()) << view.status();
  const uid_t own = geteuid();
  EXPECT_TRUE(view->HaveOneOwner(OwnedBy(own), OwnedBy(own)));
  EXPECT_FALSE(view->HaveOneOwner(OwnedBy(own), OwnedBy(kOther)));
  EXPECT_FALSE(view->HaveOneOwner(OwnedBy(kOther), OwnedBy(kOverflow)));
  // Two that have one number there may be two users.
  EXPECT_EQ(view->HaveOneOwner(OwnedBy(kOverflow), OwnedBy(kOverflow)),
            !GetParam().others_look_alike);
  EXPECT_EQ(view->HaveOneOwner(OwnedBy(kOther), OwnedBy(kOther)), !GetParam().others_look_alike);
}

}  // namespace
}  // namespace sessionctl

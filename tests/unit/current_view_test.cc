// Which calls are seen off when a mount goes.
#include "supervisor/mediator/current_view.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "sandbox/base/syscalls.h"
#include "tests/harness/scratch.h"

namespace sessionctl {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kShort(20);
constexpr milliseconds kLong(5000);

class CurrentViewTest : public ::testing::Test {
 protected:
  CurrentViewTest() {
    CompiledMount mount;
    mount.mount.host = mount.mount.guest = mount.mount.alias = directory_.path();
    with_.mounts.push_back(std::move(mount));
    absl::StatusOr<SessionView> with = SessionView::Create(with_);
    absl::StatusOr<SessionView> without = SessionView::Create(without_);
    first_.emplace(*std::move(with));
    second_ = std::make_shared<const SessionView>(*std::move(without));
    view_.emplace(*first_);
  }

  harness::ScratchDirectory directory_;
  CompiledPolicy with_, without_;
  std::optional<SessionView> first_;
  std::shared_ptr<const SessionView> second_;
  std::optional<CurrentView> view_;
};

TEST_F(CurrentViewTest, CallsFindTheOneThatIsThere) {
  const std::shared_ptr<const ViewInUse> before = view_->Get();
  view_->Replace(second_);
  EXPECT_EQ(before->session.get(), &*first_);
  EXPECT_EQ(view_->Get()->session, second_);
  EXPECT_FALSE(before->over);
}

TEST_F(CurrentViewTest, NobodyIsWaitedForWhereNobodyActs) {
  view_->Replace(second_);
  EXPECT_TRUE(view_->SeeOff(directory_.path(), kShort));
}

TEST_F(CurrentViewTest, CallThatActsOnIsToldAndWaitedFor) {
  std::shared_ptr<const ViewInUse> call = view_->Get();
  view_->Replace(second_);
  EXPECT_FALSE(view_->SeeOff(directory_.path(), kShort));
  EXPECT_TRUE(call->over);
  EXPECT_FALSE(view_->Get()->over);
  EXPECT_FALSE(view_->SeeOff(directory_.path(), kShort)) << "asked again: it still acts";
  call.reset();
  EXPECT_TRUE(view_->SeeOff(directory_.path(), kShort));
}

TEST_F(CurrentViewTest, CallThatEndsInTimeIsNotTold) {
  std::shared_ptr<const ViewInUse> call = view_->Get();
  view_->Replace(second_);
  std::atomic<bool> told = false;
  std::thread worker([&, mine = std::move(call)]() mutable {
    usleep(30'000);
    told = mine->over.load();
    mine.reset();
  });
  EXPECT_TRUE(view_->SeeOff(directory_.path(), kLong));
  worker.join();
  EXPECT_FALSE(told);
}

TEST_F(CurrentViewTest, CallThatWaitsForAnotherProcessHoldsUpNobody) {
  const std::shared_ptr<const ViewInUse> call = view_->Get();
  view_->Replace(second_);
  {
    const WaitingCall waiting(*call);
    EXPECT_TRUE(view_->SeeOff(directory_.path(), kShort));
    EXPECT_FALSE(call->over);
  }
  EXPECT_FALSE(view_->SeeOff(directory_.path(), kShort)) << "it goes on";
}

TEST_F(CurrentViewTest, ViewsWithoutThatMountAreLeftAlone) {
  const std::shared_ptr<const ViewInUse> call = view_->Get();
  view_->Replace(second_);
  const std::shared_ptr<const ViewInUse> later = view_->Get();
  view_->Replace(std::make_shared<const SessionView>(*second_));
  EXPECT_TRUE(view_->SeeOff("/elsewhere", kShort));
  EXPECT_FALSE(view_->SeeOff(directory_.path(), kShort));
  EXPECT_TRUE(call->over);
  EXPECT_FALSE(later->over);
}

}  // namespace
}  // namespace sessionctl

#include "supervisor/mediator/current_view.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace sessionctl {
namespace {

using Clock = std::chrono::steady_clock;

std::shared_ptr<const ViewInUse> InUse(std::shared_ptr<const SessionView> session) {
  auto view = std::make_shared<ViewInUse>();
  view->session = std::move(session);
  return view;
}

// In this order: who stops waiting in between still counts as acting, or has only its answer left.
bool HasActing(const std::weak_ptr<const ViewInUse>& earlier) {
  const long holders = earlier.use_count();
  const std::shared_ptr<const ViewInUse> view = earlier.lock();
  return view != nullptr && holders > view->waiting;
}

bool AwaitEnd(const std::vector<std::weak_ptr<const ViewInUse>>& views, Clock::time_point until) {
  while (std::any_of(views.begin(), views.end(), HasActing)) {
    if (Clock::now() >= until) return false;
    usleep(1000);
  }
  return true;
}

}  // namespace

CurrentView::CurrentView(const SessionView& first)
    : now_(InUse({std::shared_ptr<const void>(), &first})) {}  // owns nothing

std::shared_ptr<const ViewInUse> CurrentView::Get() const {
  const MutexLock lock(&lock_);
  return now_;
}

void CurrentView::Replace(std::shared_ptr<const SessionView> next) {
  std::shared_ptr<const ViewInUse> view = InUse(std::move(next));
  std::erase_if(earlier_, [](const auto& each) { return each.expired(); });
  const MutexLock lock(&lock_);
  now_.swap(view);
  earlier_.emplace_back(view);
}

std::vector<std::weak_ptr<const ViewInUse>> CurrentView::EarlierWith(const std::string& guest) {
  std::vector<std::weak_ptr<const ViewInUse>> views;
  for (const std::weak_ptr<const ViewInUse>& each : earlier_) {
    const std::shared_ptr<const ViewInUse> view = each.lock();
    if (view == nullptr) continue;
    const std::vector<MountView>& mounts = view->session->mounts();
    const bool knows = std::any_of(mounts.begin(), mounts.end(), [&guest](const MountView& mount) {
      return mount.guest() == guest;
    });
    if (knows) views.push_back(each);
  }
  return views;
}

bool CurrentView::SeeOff(const std::string& guest, std::chrono::milliseconds patience) {
  const std::vector<std::weak_ptr<const ViewInUse>> views = EarlierWith(guest);
  if (AwaitEnd(views, Clock::now() + patience)) return true;
  for (const std::weak_ptr<const ViewInUse>& each : views) {
    if (const std::shared_ptr<const ViewInUse> view = each.lock()) view->over = true;
  }
  return AwaitEnd(views, Clock::now() + patience);
}

}  // namespace sessionctl

#include "sandbox/kernel_features.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "sandbox/landlock.h"

namespace sessionctl {
namespace {

const FeatureReport* Find(const std::vector<FeatureReport>& reports, const std::string& name) {
  const auto found = std::find_if(reports.begin(), reports.end(),
                                  [&name](const FeatureReport& r) { return r.name == name; });
  return found == reports.end() ? nullptr : &*found;
}

long OpenDescriptors() {
  long count = 0;
  DIR* directory = opendir("/proc/self/fd");
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

TEST(KernelFeatures, ProbeAgreesWithTheKernel) {
  const KernelFeatures features = ProbeKernelFeatures();
  EXPECT_EQ(features.landlock_abi, LandlockAbi());
  // One feature implies the older ones it was built on.
  if (features.seccomp_wait_killable) {
    EXPECT_TRUE(features.seccomp_addfd_send);
  }
  if (features.seccomp_addfd_send) {
    EXPECT_TRUE(features.seccomp_user_notif);
  }
  if (features.pidfd_thread) {
    EXPECT_TRUE(features.openat2);
  }
}

TEST(KernelFeatures, ProbeTwiceSaysTheSame) {
  const KernelFeatures first = ProbeKernelFeatures();
  const KernelFeatures second = ProbeKernelFeatures();
  EXPECT_EQ(first.landlock_abi, second.landlock_abi);
  EXPECT_EQ(first.seccomp_user_notif, second.seccomp_user_notif);
  EXPECT_EQ(first.seccomp_addfd_send, second.seccomp_addfd_send);
  EXPECT_EQ(first.seccomp_wait_killable, second.seccomp_wait_killable);
  EXPECT_EQ(first.pidfd_getfd, second.pidfd_getfd);
  EXPECT_EQ(first.process_vm_readv, second.process_vm_readv);
}

TEST(KernelFeatures, ProbeLeavesNoChildNoDescriptorAndNoFilter) {
  const long before = OpenDescriptors();
  ProbeKernelFeatures();
  ProbeUserNamespaces();
  EXPECT_EQ(OpenDescriptors(), before);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(KernelFeatures, MissingRequiredFeatureIsReportedWithLossAndRemedy) {
  const KernelFeatures nothing;
  for (const FeatureReport& report : DescribeKernelFeatures(nothing)) {
    EXPECT_FALSE(report.present) << report.name;
    EXPECT_FALSE(report.lost.empty()) << report.name;
    EXPECT_FALSE(report.remedy.empty()) << report.name;
  }
  const std::vector<FeatureReport> reports = DescribeKernelFeatures(nothing);
  for (const char* name : {"landlock", "openat2", "seccomp_user_notif", "seccomp_addfd_send",
                           "seccomp_wait_killable", "process_vm_readv"}) {
    const FeatureReport* report = Find(reports, name);
    ASSERT_NE(report, nullptr) << name;
    EXPECT_TRUE(report->required) << name;
  }
}

TEST(KernelFeatures, LandlockAbiIsShownAndDecidesTheFinerLines) {
  KernelFeatures features;
  features.landlock_abi = 4;
  const std::vector<FeatureReport> reports = DescribeKernelFeatures(features);
  EXPECT_EQ(Find(reports, "landlock")->detail, "ABI 4");
  EXPECT_TRUE(Find(reports, "landlock_abi_3")->present);
  EXPECT_FALSE(Find(reports, "landlock_abi_5")->present);
}

}  // namespace
}  // namespace sessionctl

// Watches the kernel settings that make file-system calls fail or not (fs.protected_*,
// proc_sys_fs(5)). They are the whole machine's, and others may change them at any time; a batch
// during which that happens proves nothing and is made again.
#ifndef TESTS_DIFFERENTIAL_SETTINGS_WATCH_H_
#define TESTS_DIFFERENTIAL_SETTINGS_WATCH_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

namespace differential {

class SettingsWatch {
 public:
  SettingsWatch();
  ~SettingsWatch();
  SettingsWatch(const SettingsWatch&) = delete;
  SettingsWatch& operator=(const SettingsWatch&) = delete;

  // How many changes were seen so far. Any thread.
  uint64_t changes() const { return changes_; }

 private:
  static std::string Read();
  void Watch();

  std::atomic<uint64_t> changes_ = 0;
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_SETTINGS_WATCH_H_

// Where in the root of a view its parts go: a part of making one, see private_view.h. Directories
// on the way are opened once, and missing ones made where nothing of the host's lies. The caller is
// single-threaded; its umask is 0.
#ifndef SANDBOX_VIEW_PLACES_H_
#define SANDBOX_VIEW_PLACES_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"

namespace sessionctl {

class ViewPlaces {
 public:
  struct Place {
    int directory;     // the one above, valid until the next call
    std::string leaf;  // no link, where the directory is ours
    bool ours;         // nothing of the host's: what is there was made here
  };

  // `root`: the view's, of a file system of its own. Outlives this. Errors: those of fstat(2).
  SysStatus Begin(int root);
  // What is made in this file system is ours.
  SysStatus AddOwn(int mount);
  // The directory above an absolute path; no link is followed. Errors: EINVAL: "/"; those of
  // mkdir(2) and openat(2).
  SysResult<Place> Find(const std::string& path);
  // The same, and something to mount on if there is nothing and the place is ours.
  SysResult<Place> Make(const std::string& path, bool is_directory);
  // Something was mounted there: what was open at or below it is not what that path means.
  void Forget(const std::string& path);

 private:
  struct Directory {
    std::string path;  // "" for the root, which is not in `open_`
    OwnedFd fd;
    bool ours;
  };

  bool IsOurs(int directory) const;
  // The deepest open directory that `path` is at or below; the others are closed.
  void CloseBeside(const std::string& path);

  int root_ = -1;
  std::vector<dev_t> own_file_systems_;
  std::vector<Directory> open_;  // each lies in the one before
};

}  // namespace sessionctl

#endif  // SANDBOX_VIEW_PLACES_H_

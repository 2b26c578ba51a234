// Open files that a session got from its broker: whose they are, and when they are closed.
#include <gtest/gtest.h>

#include "tests/integration/bare_and_inside.h"

namespace sessionctl {
namespace {

// The broker once closed its own copy after the caller had gone on: locks, programs and FIFOs were
// found busy, most of the time.
TEST(OpenFilesTest, ClosedFileIsHeldByNobody) {
  ExpectSameBareAndInside({"reopened_files", "1000"});
}

// openat2(RESOLVE_BENEATH) gives up on ".." while directories are renamed, wherever that is.
TEST(OpenFilesTest, PathsUpAndDownAreFoundWhileDirectoriesAreRenamed) {
  ExpectSameBareAndInside({"renamed_elsewhere", "200"});
}

}  // namespace
}  // namespace sessionctl

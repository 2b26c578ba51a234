# Loading, mapping and relocating shared libraries is most of what executing a small program costs, and a session by
# `run` executes this one. So what our rooms use is linked from archives where its package has them (Debian's do), from
# headers where it can be; the C library stays shared, as its name service wants it (nsswitch.conf(5)).

# toml++ is compiled from its headers once, in policy/toml_library.cc.
set_target_properties(PkgConfig::TOMLPLUSPLUS PROPERTIES INTERFACE_LINK_LIBRARIES "")

find_library(SECCOMP_ARCHIVE NAMES libseccomp.a HINTS ${SECCOMP_LIBRARY_DIRS})
if(SECCOMP_ARCHIVE)
  set_target_properties(PkgConfig::SECCOMP PROPERTIES INTERFACE_LINK_LIBRARIES "${SECCOMP_ARCHIVE}")
endif()

include(CheckLinkerFlag)
if(NOT SESSIONCTL_SANITIZE)
  check_linker_flag(CXX -static-libstdc++ SESSIONCTL_HAS_STATIC_CXX)
endif()
# Links `target` with the C++ library's archive.
function(sessionctl_static_cxx target)
  if(SESSIONCTL_HAS_STATIC_CXX)
    target_link_options(${target} PRIVATE -static-libstdc++ -static-libgcc)
  endif()
endfunction()

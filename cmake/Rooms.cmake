# Every room of the house (docs/design.md) is one static library; its sources are the room's own *.cc.
add_library(sessionctl_options INTERFACE)
target_include_directories(sessionctl_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(sessionctl_options INTERFACE _GNU_SOURCE)
target_compile_options(sessionctl_options INTERFACE
  -Wall -Wextra -Wno-missing-field-initializers -fno-omit-frame-pointer
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
if(SESSIONCTL_SANITIZE)
  target_compile_options(sessionctl_options INTERFACE
    -fsanitize=${SESSIONCTL_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(sessionctl_options INTERFACE -fsanitize=${SESSIONCTL_SANITIZE})
endif()

# AS_SHIPPED: what every mediated call runs through is compiled file by file where it is optimized, whatever
# CMAKE_UNITY_BUILD says: gcc inlines otherwise in large units, and tests/budget counts the instructions.
function(sessionctl_room name)
  cmake_parse_arguments(ROOM "AS_SHIPPED" "" "DEPS;DIRS" ${ARGN})
  set(patterns)
  if(NOT ROOM_DIRS)
    set(ROOM_DIRS ".")
  endif()
  foreach(dir ${ROOM_DIRS})
    list(APPEND patterns ${CMAKE_CURRENT_SOURCE_DIR}/${dir}/*.cc)
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC sessionctl_options ${ROOM_DEPS})
  if(ROOM_AS_SHIPPED AND CMAKE_BUILD_TYPE STREQUAL "Release")
    set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
  endif()
endfunction()

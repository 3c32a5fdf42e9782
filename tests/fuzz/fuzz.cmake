# Every fuzz_NAME.cpp here becomes a libFuzzer executable. In its first lines a file may say
#   // sources: plugins/netif/tracker.cpp …   compiled in as well, paths from the repository root
#   // libraries: rater_core …                linked; else what its includes tell, and sdk_wire, sdk_base
# Part of the asan preset: what the sanitizers and the fuzzers look at is compiled once.
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "TALLYMAN_FUZZ needs clang++: use the asan preset")
endif()

# The words behind "// KEY:" in the head of a fuzz target.
function(tallyman_fuzz_words file key result)
  file(STRINGS ${file} lines REGEX "^// ${key}:" LIMIT_COUNT 1)
  string(REGEX REPLACE "^// ${key}:" "" words "${lines}")
  separate_arguments(words)
  set(${result} ${words} PARENT_SCOPE)
endfunction()

add_custom_target(fuzzers)
file(GLOB fuzz_files CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/fuzz_*.cpp)
foreach(file IN LISTS fuzz_files)
  cmake_path(GET file STEM name)
  tallyman_fuzz_words(${file} sources sources)
  tallyman_fuzz_words(${file} libraries libraries)
  list(TRANSFORM sources PREPEND ${CMAKE_SOURCE_DIR}/)
  if(NOT libraries)
    foreach(house agent rater)
      file(STRINGS ${file} includes REGEX "^#include \"${house}/" LIMIT_COUNT 1)
      if(includes)
        list(APPEND libraries ${house}_core)
      endif()
    endforeach()
  endif()
  add_executable(${name} EXCLUDE_FROM_ALL ${file} ${sources})
  if(sources MATCHES "plugins/netif/")
    tallyman_include_root(${name} netif plugins/netif PRIVATE)
  endif()
  target_link_libraries(${name} PRIVATE ${libraries} sdk_wire sdk_base)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzzers ${name})
endforeach()

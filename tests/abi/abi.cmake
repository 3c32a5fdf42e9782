# The plugin ABI: its layout under every compiler at hand, plugins that each of them builds, and the
# host that loads them. What is compiled here with other compilers than the build's own is compiled
# by custom commands.
set(abi_out ${CMAKE_BINARY_DIR}/tests/abi)
set(abi_dir ${CMAKE_CURRENT_LIST_DIR})
file(MAKE_DIRECTORY ${abi_out})
set(abi_header_path ${CMAKE_BINARY_DIR}/include/sdk_plugin)
set(abi_headers ${CMAKE_SOURCE_DIR}/sdk/plugin/plugin.h ${CMAKE_SOURCE_DIR}/sdk/plugin/plugin.hpp
    ${CMAKE_SOURCE_DIR}/sdk/plugin/epoch.hpp ${TALLYMAN_PLUGIN_EXPORTS})
set(abi_warnings -Wall -Wextra -Wshadow -Werror -I${abi_header_path})

# abi_object(FILE SOURCE COMPILER flag…): one shared object tests/abi/FILE.so.
set(abi_plugins "")
function(abi_object name source compiler)
  if(source MATCHES "\\.c$")
    set(language -x c -std=c11 -pedantic)
  else()
    set(language -x c++ -std=c++20)
  endif()
  add_custom_command(OUTPUT ${abi_out}/${name}.so
    COMMAND ${compiler} ${language} -O1 -g ${abi_warnings} -fPIC -shared -fvisibility=hidden ${ARGN}
            ${abi_dir}/${source} -o ${abi_out}/${name}.so
    DEPENDS ${abi_dir}/${source} ${abi_headers} VERBATIM)
  set(abi_plugins ${abi_plugins} ${abi_out}/${name}.so PARENT_SCOPE)
endfunction()

set(abi_map -Wl,--version-script=${TALLYMAN_PLUGIN_EXPORTS})
set(abi_compilers "")
foreach(pair gcc:g++ clang:clang++)
  string(REPLACE ":" ";" pair ${pair})
  list(GET pair 0 cc)
  list(GET pair 1 cxx)
  find_program(ABI_${cc} ${cc})
  find_program(ABI_${cxx} ${cxx})
  if(NOT ABI_${cc} OR NOT ABI_${cxx})
    continue()
  endif()
  list(APPEND abi_compilers ${cc})
  abi_object(plain-${cc} plain.c ${ABI_${cc}} ${abi_map})
  abi_object(plain-older-${cc} plain.c ${ABI_${cc}} ${abi_map} -DOLDER)
  abi_object(plain-newer-${cc} plain.c ${ABI_${cc}} ${abi_map} -DNEWER)
  abi_object(probe-${cc} probe.cpp ${ABI_${cxx}} ${abi_map} -Wconversion)
  abi_object(raw-${cc} raw.cpp ${ABI_${cxx}} ${abi_map} -Wconversion)
  foreach(standard c11 c17 c++11 c++20)
    if(standard MATCHES "\\+\\+")
      set(abi_language -x c++ -fsyntax-only)
      set(abi_compiler ${ABI_${cxx}})
    else()
      set(abi_language -x c -fsyntax-only)
      set(abi_compiler ${ABI_${cc}})
    endif()
    add_test(NAME abi.layout.${cc}.${standard}
      COMMAND ${abi_compiler} ${abi_language} -std=${standard} -pedantic ${abi_warnings}
              ${abi_dir}/layout.c)
    set_tests_properties(abi.layout.${cc}.${standard} PROPERTIES LABELS unit)
  endforeach()
endforeach()
list(GET abi_compilers 0 abi_first)
abi_object(no-symbol not_a_plugin.c ${ABI_${abi_first}})
abi_object(unresolved not_a_plugin.c ${ABI_${abi_first}} -DUNRESOLVED)
abi_object(empty-table not_a_plugin.c ${ABI_${abi_first}} -DEMPTY_TABLE)
add_custom_target(abi_plugins DEPENDS ${abi_plugins})

add_subdirectory(${CMAKE_SOURCE_DIR}/sdk/plugin/template ${CMAKE_BINARY_DIR}/template)
set_target_properties(plugin_filesystem PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${abi_out})

file(GLOB abi_tests CONFIGURE_DEPENDS ${abi_dir}/*_test.cpp)
set(abi_agent ${CMAKE_SOURCE_DIR}/agent)
add_executable(abi_tests ${abi_tests} ${abi_dir}/host_driver.cpp
  ${abi_agent}/host_protocol.cpp ${abi_agent}/host_protocol_decode.cpp
  ${abi_agent}/host/declaration.cpp ${abi_agent}/host/options.cpp
  ${abi_agent}/host/series_table.cpp)
tallyman_include_root(abi_tests agent agent PRIVATE)
list(TRANSFORM abi_compilers REPLACE "(.+)" "\"\\1\"" OUTPUT_VARIABLE abi_quoted)
list(JOIN abi_quoted "," abi_quoted)
target_compile_definitions(abi_tests PRIVATE
  TALLYMAN_SOURCE_DIR="${CMAKE_SOURCE_DIR}" TALLYMAN_BINARY_DIR="${CMAKE_BINARY_DIR}"
  TALLYMAN_PLUGIN_HOST="$<TARGET_FILE:tallyman-plugin-host>"
  TEST_COMPILERS=${abi_quoted} FIRST_COMPILER="${abi_first}")
target_link_libraries(abi_tests PRIVATE sdk_plugin sdk_wire sdk_base GTest::gtest GTest::gtest_main)
add_dependencies(abi_tests abi_plugins tallyman-plugin-host plugin_filesystem plugin_netif)
gtest_discover_tests(abi_tests DISCOVERY_MODE PRE_TEST PROPERTIES LABELS unit)

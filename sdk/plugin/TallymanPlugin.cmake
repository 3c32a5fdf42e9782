# tallyman_add_plugin(NAME SOURCES file… [LIBRARIES library…])
#
# Builds the shared object NAME.so in ${CMAKE_BINARY_DIR}/plugins, with the plugin ABI on its include path
# (<tallyman/plugin.h>, <tallyman/plugin.hpp>) and exactly one symbol exported.
set(TALLYMAN_PLUGIN_EXPORTS ${CMAKE_CURRENT_LIST_DIR}/exports.map
    CACHE INTERNAL "linker map of every plugin")

function(tallyman_add_plugin name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBRARIES" ${ARGN})
  if(NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "tallyman_add_plugin(${name}): expected SOURCES file… [LIBRARIES library…]")
  endif()
  set(target plugin_${name})
  add_library(${target} MODULE ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE sdk_plugin ${arg_LIBRARIES})
  target_link_options(${target} PRIVATE
    -Wl,--version-script=${TALLYMAN_PLUGIN_EXPORTS} -Wl,--no-undefined-version)
  set_target_properties(${target} PROPERTIES
    PREFIX "" OUTPUT_NAME ${name}
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS ${TALLYMAN_PLUGIN_EXPORTS})
endfunction()

# Plugins that misbehave in one way each, and one that behaves, for the system tests and benchmarks.
# In a folder of their own: no agent that scans the plugin folder meets them by chance.
add_custom_target(fault_plugins)
foreach(name crasher hanger failer garbler exiter ctor_crasher counter)
  tallyman_add_plugin(${name} SOURCES fault/plugins/${name}.cpp)
  set_target_properties(plugin_${name} PROPERTIES
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fault-plugins)
  add_dependencies(fault_plugins plugin_${name})
endforeach()

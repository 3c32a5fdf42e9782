# Plugins that misbehave in one way each, and one that behaves, for the system tests and benchmarks.
# In a folder of their own: no agent that scans the plugin folder meets them by chance.
add_custom_target(fault_plugins)
foreach(name crasher hanger failer garbler exiter ctor_crasher ctor_hanger eater leaker fd_leaker forker
    daemoniser printer flooder undeclared stubborn counter tap sleeper save_crasher closer
    thrower smasher socket_flooder dawdler changeling burglar keyholder)
  tallyman_add_plugin(${name} SOURCES fault/plugins/${name}.cpp)
  set_target_properties(plugin_${name} PROPERTIES
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fault-plugins)
  add_dependencies(fault_plugins plugin_${name})
endforeach()

# A version of the changeling that keeps no state.
tallyman_add_plugin(changeling_stateless SOURCES fault/plugins/changeling.cpp)
target_compile_definitions(plugin_changeling_stateless PRIVATE CHANGELING_STATELESS)
set_target_properties(plugin_changeling_stateless PROPERTIES
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fault-plugins)
add_dependencies(fault_plugins plugin_changeling_stateless)

# What the crash campaign needs beside the daemons (crash/run).
add_executable(crash_kill_at fault/crash/kill_at.cpp)
add_executable(crash_readings fault/crash/readings.cpp)
target_link_libraries(crash_readings PRIVATE sdk_wire)
set_target_properties(crash_kill_at crash_readings PROPERTIES
  RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_custom_target(crash_tools DEPENDS crash_kill_at crash_readings plugin_tap plugin_counter)

# A week without a rater on a disk that is much too small (tests/system/test_full_disk.py).
add_executable(full_week fault/full_week.cpp)
target_link_libraries(full_week PRIVATE agent_core rater_core)
add_dependencies(fault_plugins full_week crash_readings)

# A disk that takes its time, for those who preload it.
add_library(slow_disk MODULE fault/slow_disk.cpp)
target_link_libraries(slow_disk PRIVATE ${CMAKE_DL_LIBS})
set_target_properties(slow_disk PROPERTIES PREFIX ""
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_dependencies(fault_plugins slow_disk)

# The binary and what it reads, installed as the component `node`; the messages have no component of their own.

# --- Stage the messages. r2r generates Rust types from *installed* interface packages, and generates them anew only
# when a path in the environment changes: the stage carries the hash of the messages in its name.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${message_files})
set(message_hash "")
foreach(file IN LISTS message_files)
  file(SHA256 ${CMAKE_CURRENT_SOURCE_DIR}/${file} hash)
  string(APPEND message_hash ${hash})
endforeach()
string(SHA256 message_hash ${message_hash})
string(SUBSTRING ${message_hash} 0 12 message_hash)
set(stage ${CMAKE_CURRENT_BINARY_DIR}/stage/${message_hash})
set(message_targets
  ${PROJECT_NAME}
  ${PROJECT_NAME}__rosidl_generator_c
  ${PROJECT_NAME}__rosidl_typesupport_c
  ${PROJECT_NAME}__rosidl_typesupport_introspection_c)
get_property(targets DIRECTORY PROPERTY BUILDSYSTEM_TARGETS)
foreach(target IN LISTS targets)
  # Everything that an install without the node would look for: libraries and generated Python.
  get_target_property(type ${target} TYPE)
  if(type MATCHES "LIBRARY$" OR target MATCHES "^(ament_cmake_python|${PROJECT_NAME}__)")
    list(APPEND message_targets ${target})
  endif()
endforeach()
list(REMOVE_DUPLICATES message_targets)

add_custom_command(
  OUTPUT ${stage}.stamp
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${stage}
  COMMAND ${CMAKE_COMMAND} --install ${CMAKE_CURRENT_BINARY_DIR} --prefix ${stage} --component Unspecified
  COMMAND ${CMAKE_COMMAND} -E touch ${stage}.stamp
  DEPENDS ${message_targets} ${message_files}
  COMMENT "Staging the messages of ${PROJECT_NAME}"
  VERBATIM)

# --- Build the binary. r2r's build reads the messages' IDL files and asks their libraries for the layouts.
set(cargo_environment "AMENT_PREFIX_PATH=${stage}" "LD_LIBRARY_PATH=${stage}/lib")
foreach(variable AMENT_PREFIX_PATH LD_LIBRARY_PATH)
  if(NOT "$ENV{${variable}}" STREQUAL "")
    list(TRANSFORM cargo_environment APPEND ":$ENV{${variable}}" REGEX "^${variable}=")
  endif()
endforeach()
find_program(CARGO cargo HINTS $ENV{CARGO_HOME}/bin $ENV{HOME}/.cargo/bin REQUIRED)
if(DEFINED ENV{CARGO_TARGET_DIR})
  set(cargo_target_dir $ENV{CARGO_TARGET_DIR})
else()
  set(cargo_target_dir ${CMAKE_CURRENT_BINARY_DIR}/cargo)
endif()
# Cargo knows by itself what is up to date, so it is asked every time.
add_custom_target(${PROJECT_NAME}_node ALL
  COMMAND ${CMAKE_COMMAND} -E env ${cargo_environment} "CARGO_TARGET_DIR=${cargo_target_dir}"
    ${CARGO} build --release --locked --bin roadproof
  DEPENDS ${stage}.stamp
  WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
  BYPRODUCTS ${cargo_target_dir}/release/roadproof
  COMMENT "Building the node"
  USES_TERMINAL
  VERBATIM)

# --- Install.
install(PROGRAMS ${cargo_target_dir}/release/roadproof
  DESTINATION lib/${PROJECT_NAME} COMPONENT node)
install(DIRECTORY launch config
  DESTINATION share/${PROJECT_NAME} COMPONENT node
  PATTERN __pycache__ EXCLUDE)
# Manifests, and the weights as far as they have been fetched.
install(DIRECTORY models
  DESTINATION share/${PROJECT_NAME} COMPONENT node
  FILES_MATCHING PATTERN "*.toml" PATTERN "*.txt" PATTERN "*.onnx" PATTERN "README.md")
install(FILES LICENSE
  DESTINATION share/${PROJECT_NAME} COMPONENT node)

# ONNX Runtime is looked for beside the binary before the system's library path, so a library known now is
# installed there, and the installed node needs no environment variable.
set(ROADPROOF_ONNXRUNTIME "$ENV{ORT_DYLIB_PATH}" CACHE FILEPATH
  "libonnxruntime.so to install with the node; empty: none, the node finds the system's or ORT_DYLIB_PATH's")
if(ROADPROOF_ONNXRUNTIME)
  get_filename_component(onnxruntime "${ROADPROOF_ONNXRUNTIME}" REALPATH)
  get_filename_component(onnxruntime_dir "${onnxruntime}" DIRECTORY)
  install(FILES ${onnxruntime}
    DESTINATION lib/${PROJECT_NAME} COMPONENT node RENAME libonnxruntime.so)
  file(GLOB onnxruntime_providers ${onnxruntime_dir}/libonnxruntime_providers_*.so)
  install(FILES ${onnxruntime_providers}
    DESTINATION lib/${PROJECT_NAME} COMPONENT node)
endif()

# --- The simulator bridge (docs/simulation.md). It starts with the Python that scripts/setup_sim.sh set up here, or with
# $ROADPROOF_SIM_PYTHON.
set(ROADPROOF_SIM_PYTHON "${CMAKE_CURRENT_SOURCE_DIR}/.deps/sim/bin/python" CACHE FILEPATH
  "Python with Panda3D that lib/roadproof/roadproof_sim starts")
configure_file(sim/roadproof_sim.sh ${CMAKE_CURRENT_BINARY_DIR}/roadproof_sim @ONLY)
install(PROGRAMS ${CMAKE_CURRENT_BINARY_DIR}/roadproof_sim
  DESTINATION lib/${PROJECT_NAME} COMPONENT node)
install(DIRECTORY sim/roadproof_sim
  DESTINATION share/${PROJECT_NAME}/sim COMPONENT node
  PATTERN "__pycache__" EXCLUDE)

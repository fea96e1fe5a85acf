# Compile settings that every target of the project shares, and the one way to declare a folder's
# library. Warnings are errors; no target is ever built for the building machine's own processor
# (-march=native): kernels choose their instruction set at run time.
add_library(attojoule_settings INTERFACE)
target_compile_features(attojoule_settings INTERFACE cxx_std_20)
target_include_directories(attojoule_settings INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(attojoule_settings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  -Wno-sign-conversion -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
# Contracting a*b+c into one rounding would make a result depend on the compiler: it is only done
# where a kernel asks for it by name.
target_compile_options(attojoule_settings INTERFACE -ffp-contract=off)
if(ATTOJOULE_SANITIZE)
  target_compile_options(attojoule_settings INTERFACE -fsanitize=${ATTOJOULE_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(attojoule_settings INTERFACE -fsanitize=${ATTOJOULE_SANITIZE})
endif()

# attojoule_folder(photonics SOURCES a.cpp b.cpp PUBLIC lib… PRIVATE lib…): the static library of a
# top-level folder.
function(attojoule_folder name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(attojoule_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(attojoule_${name} PUBLIC attojoule_settings ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
endfunction()

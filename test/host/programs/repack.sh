#!/bin/bash
# repack.sh REPOSITORY PACKAGE...: makes a newer version of each installed package from its installed files, with one
# program and one other file changed, and a repository of them that apt reads from disk.
set -euo pipefail
repository=$1
shift
mkdir -p "$repository"
for package in "$@"; do
  tree=$(mktemp -d) info=/var/lib/dpkg/info
  chmod 755 "$tree"
  mkdir "$tree/DEBIAN"
  dpkg-query -s "$package" | sed -E '/^Status:/d; /^Conffiles:/,/^[^ ]/{/^Conffiles:/d; /^ /d}; s/^(Version: .*)$/\1+site1/' >"$tree/DEBIAN/control"
  for script in preinst postinst prerm postrm conffiles triggers; do
    for file in "$info/$package.$script" "$info/$package:amd64.$script"; do
      if [ -f "$file" ]; then cp -a "$file" "$tree/DEBIAN/$script"; fi
    done
  done
  # Directories first, so that their owners and modes are the installed ones.
  dpkg -L "$package" | while read -r path; do
    case $path in
      /.) continue ;;
      /bin | /sbin | /lib | /lib64) install -d "$tree$path" && continue ;; # links on a merged /usr
    esac
    if [ -d "$path" ] && [ ! -L "$path" ]; then install -d -m "$(stat -c %a "$path")" "$tree$path"
    elif [ -e "$path" ] || [ -L "$path" ]; then install -d "$tree$(dirname "$path")" && cp -a "$path" "$tree$path"; fi
  done
  changed=0
  while read -r path; do
    if grep -qxF "$path" "$tree/DEBIAN/conffiles" 2>/dev/null; then continue; fi
    printf '\n' >>"$tree$path"
    changed=$((changed + 1))
    [ $changed -lt 2 ] || break
  done < <(cd "$tree" && find . -path ./DEBIAN -prune -o -type f \( -path './*bin/*' -o -path './usr/share/doc/*/copyright' \) -print | sed 's/^\.//')
  (cd "$tree" && find . -path ./DEBIAN -prune -o -type f -print0 | xargs -0 -r md5sum | sed 's|  \./|  |' >DEBIAN/md5sums)
  dpkg-deb -b -Znone "$tree" "$repository/" >/dev/null
  rm -rf "$tree"
done
cd "$repository"
dpkg-scanpackages . >Packages 2>/dev/null
printf 'deb [trusted=yes] file:%s ./\n' "$repository" >/etc/apt/sources.list.d/site.list

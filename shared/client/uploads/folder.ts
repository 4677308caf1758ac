import { lstatSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { UploadRefused } from './upload.ts';

/** The working folder: what lies in it may be sent, and nothing else. */
export interface Folder {
  /** The one spelling of a path below the folder, with forward slashes; '' is the folder itself. Throws UploadRefused. */
  plain(path: string): string;
  isFile(path: string): boolean;
  isFolder(path: string): boolean;
  isLink(path: string): boolean;
  /** Where it really is. */
  full(path: string): string;
  /** The entries of a folder in the order of their names. */
  entries(path: string): readonly Entry[];
}

interface Entry {
  readonly path: string;
  readonly name: string;
  readonly link: boolean;
  readonly kind: 'file' | 'folder' | 'other';
}

const GIT = '.git';
/** Some systems take `.GIT` for the same folder. */
const isGit = (name: string): boolean => name.toLowerCase() === GIT;

export function openFolder(cwd: string): Folder {
  const real = realpathSync(cwd);
  const folder: Folder = {
    plain(path) {
      const forward = process.platform === 'win32' ? path.replaceAll('\\', '/') : path;
      const whole = isAbsolute(forward) ? forward : resolve(cwd, forward);
      // A folder may be named by another way than the one that was gone: /tmp is a link on some systems.
      const plain = [cwd, real].map((base) => relative(base, whole)).find((one) => !leaves(one));
      if (plain === undefined)
        throw new UploadRefused(
          `${path} is outside the working folder: go to a folder above it and name it from there`,
        );
      return plain.split(sep).join('/');
    },
    isFile: (path) => statSync(join(real, path), { throwIfNoEntry: false })?.isFile() === true,
    isFolder: (path) => statSync(join(real, path), { throwIfNoEntry: false })?.isDirectory() === true,
    isLink: (path) => lstatSync(join(real, path), { throwIfNoEntry: false })?.isSymbolicLink() === true,
    full(path) {
      const whole = realpathSync(join(real, path));
      const plain = relative(real, whole);
      if (leaves(plain))
        throw new UploadRefused(`${path} is a link to ${whole}, outside the working folder: put a copy in its place`);
      if (plain.split(sep).some(isGit)) throw new UploadRefused(`${path} lies in ${GIT}, of which nothing is sent`);
      return whole;
    },
    entries(path) {
      return readdirSync(join(real, path))
        .filter((name) => !isGit(name))
        .sort()
        .map((name) => {
          const below = path === '' ? name : `${path}/${name}`;
          const found = statSync(join(real, below), { throwIfNoEntry: false });
          const kind = found?.isFile() ? 'file' : found?.isDirectory() ? 'folder' : 'other';
          return { path: below, name, link: lstatSync(join(real, below)).isSymbolicLink(), kind };
        });
    },
  };
  return folder;
}

const leaves = (path: string): boolean => path === '..' || path.startsWith(`..${sep}`) || isAbsolute(path);

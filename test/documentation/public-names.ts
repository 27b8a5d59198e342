/** What the package lets its users name, as its compiled declarations say it. */
import path from "node:path";
import ts from "typescript";

export const ROOT = path.resolve(import.meta.dirname, "../../..");

const ENTRIES = ["dist/src/index.d.ts", "dist/src/client.d.ts"];

/** A name of the package, or a member of something that has one. */
export interface PublicName {
  /** as "Database.get" */
  readonly name: string;
  readonly documented: boolean;
  /** whether it can be called: then it has an example */
  readonly callable: boolean;
  readonly examples: readonly string[];
}

export interface PublicApi {
  readonly names: readonly PublicName[];
  /** the members of the union ErrorCode */
  readonly errorCodes: readonly string[];
}

/**
 * Every exported name of the entries, and every member of the interfaces that have
 * methods, of DatabaseError, and of exported objects.
 */
export function publicApi(): PublicApi {
  // No library is needed to read comments, and to leave it out is most of the time.
  const program = ts.createProgram(
    ENTRIES.map((entry) => path.join(ROOT, entry)),
    {
      noLib: true,
      types: [],
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
    },
  );
  const checker = program.getTypeChecker();
  const names = new Map<string, PublicName>();
  const errorCodes: string[] = [];
  const add = (name: string, declaration: ts.Declaration): void => {
    if (names.has(name)) return;
    names.set(name, {
      name,
      documented: hasComment(declaration),
      callable: isCallable(checker, declaration),
      examples: examplesOf(declaration),
    });
  };
  for (const file of ENTRIES) {
    const source = program.getSourceFile(path.join(ROOT, file));
    const module = source && checker.getSymbolAtLocation(source);
    for (const exported of module === undefined ? [] : checker.getExportsOfModule(module)) {
      const isAlias = (exported.flags & ts.SymbolFlags.Alias) !== 0;
      const symbol = isAlias ? checker.getAliasedSymbol(exported) : exported;
      for (const declaration of symbol.declarations ?? []) {
        add(exported.name, declaration);
        for (const member of membersOf(declaration)) {
          add(`${exported.name}.${memberName(member)}`, member);
        }
      }
      if (exported.name !== "ErrorCode" || errorCodes.length > 0) continue;
      const type = checker.getDeclaredTypeOfSymbol(symbol);
      for (const each of type.isUnion() ? type.types : []) {
        if (each.isStringLiteral()) errorCodes.push(each.value);
      }
    }
  }
  return { names: [...names.values()], errorCodes };
}

/** The members that must be documented: those of a type that does something. */
function membersOf(declaration: ts.Declaration): readonly ts.Declaration[] {
  if (ts.isInterfaceDeclaration(declaration)) {
    const acts = declaration.members.some(
      (member) => ts.isMethodSignature(member) || ts.isCallSignatureDeclaration(member),
    );
    return acts ? declaration.members : [];
  }
  if (ts.isClassDeclaration(declaration)) {
    return declaration.members.filter(
      (member) => member.name === undefined || !ts.isPrivateIdentifier(member.name),
    );
  }
  if (ts.isVariableDeclaration(declaration) && declaration.type !== undefined) {
    return ts.isTypeLiteralNode(declaration.type) ? declaration.type.members : [];
  }
  return [];
}

function memberName(member: ts.Declaration): string {
  if (ts.isConstructorDeclaration(member)) return "constructor";
  if (ts.isCallSignatureDeclaration(member)) return `call ${member.pos}`;
  return ts.getNameOfDeclaration(member)?.getText() ?? "?";
}

/** A variable's comment stands before its statement. */
function commented(declaration: ts.Declaration): ts.Node {
  return ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
}

function hasComment(declaration: ts.Declaration): boolean {
  return ts.getJSDocCommentsAndTags(commented(declaration)).length > 0;
}

function isCallable(checker: ts.TypeChecker, declaration: ts.Declaration): boolean {
  if (ts.isFunctionLike(declaration)) return true;
  if (!ts.isPropertySignature(declaration)) return false;
  return checker.getTypeAtLocation(declaration).getCallSignatures().length > 0;
}

function examplesOf(declaration: ts.Declaration): string[] {
  return ts
    .getJSDocTags(commented(declaration))
    .filter((tag) => tag.tagName.text === "example")
    .map((tag) => ts.getTextOfJSDocComment(tag.comment) ?? "");
}

using System.Reflection;
using System.Text;

namespace PeoplesCloud.Libp2p.Tests;

/// <summary>The public surface is a file that is reviewed like code: PublicApi.txt beside this test.</summary>
public sealed class PublicApiTests
{
    private const string Update = "PC_UPDATE_PUBLIC_API";

    [Fact]
    public void The_public_surface_is_the_reviewed_one()
    {
        var actual = Describe(typeof(Libp2pHost).Assembly);
        if (Environment.GetEnvironmentVariable(Update) is { Length: > 0 } file) File.WriteAllText(file, actual);
        var reviewed = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "PublicApi.txt"));
        Assert.True(reviewed == actual, $"the public surface changed; when that is meant, run this test with {Update}=<the path of PublicApi.txt>\n{Difference(reviewed, actual)}");
    }

    private static string Difference(string reviewed, string actual)
    {
        var (old, now) = (reviewed.Split('\n'), actual.Split('\n'));
        return string.Join('\n', old.Except(now).Select(l => $"- {l}").Concat(now.Except(old).Select(l => $"+ {l}")));
    }

    private static string Describe(Assembly assembly)
    {
        var text = new StringBuilder();
        foreach (var type in assembly.GetExportedTypes().OrderBy(t => t.FullName, StringComparer.Ordinal))
        {
            var parents = type.GetInterfaces().Where(i => i.IsPublic).Select(Name).Order(StringComparer.Ordinal);
            text.Append(type.IsEnum ? "enum" : type.IsInterface ? "interface" : type.IsValueType ? "struct" : type.IsAbstract && type.IsSealed ? "static class" : "class")
                .Append(' ').Append(type.FullName);
            if (type.BaseType is { } parent && parent != typeof(object) && parent != typeof(ValueType) && parent != typeof(Enum)) text.Append(" < ").Append(Name(parent));
            if (!type.IsEnum && parents.Any()) text.Append(" : ").AppendJoin(", ", parents);
            text.Append('\n');
            const BindingFlags all = BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
            foreach (var member in type.GetMembers(all).Select(Member).OfType<string>().Order(StringComparer.Ordinal)) text.Append("    ").Append(member).Append('\n');
        }
        return text.ToString();
    }

    private static string? Member(MemberInfo member) => member switch
    {
        FieldInfo { IsSpecialName: true } => null,
        FieldInfo { IsLiteral: true } field => $"{field.Name} = {field.GetRawConstantValue()}",
        FieldInfo field => $"{Name(field.FieldType)} {field.Name}",
        ConstructorInfo constructor => $"new({Parameters(constructor)})",
        PropertyInfo property => $"{Name(property.PropertyType)} {property.Name} {{ {(property.GetMethod?.IsPublic == true ? "get; " : "")}{(property.SetMethod?.IsPublic == true ? "set; " : "")}}}",
        EventInfo happening => $"event {Name(happening.EventHandlerType!)} {happening.Name}",
        MethodInfo { IsSpecialName: true } method when !method.Name.StartsWith("op_", StringComparison.Ordinal) => null,
        MethodInfo method when method.Name.Contains('<', StringComparison.Ordinal) => null,
        MethodInfo method => $"{(method.IsStatic ? "static " : "")}{Name(method.ReturnType)} {method.Name}({Parameters(method)})",
        _ => null,
    };

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(p => $"{(p.IsOut ? "out " : "")}{Name(p.ParameterType)} {p.Name}{(p.HasDefaultValue ? " = default" : "")}"));

    private static string Name(Type type)
    {
        if (type.IsByRef) return Name(type.GetElementType()!);
        if (type.IsArray) return $"{Name(type.GetElementType()!)}[]";
        return !type.IsGenericType ? type.Name : $"{type.Name.Split('`')[0]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>";
    }
}
